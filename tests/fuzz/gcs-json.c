/* Everything that Google's store may answer, and the key of a service account. The first byte chooses who reads. What gets through must
 * hold what readers promise. */
#include <string.h>
#include <teesql/teesql-storage.h>

#include "gcs/gcs-answers.h"
#include "gcs/gcs-scan.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
fuzz_list (GBytes *body)
{
  g_autoptr (TeesqlObjectPage) page = gcs_answer_read_list (body, "p/", "p/a", 3, NULL);
  const char *before = "a";

  for (guint i = 0; page != NULL && i < teesql_object_page_get_n_objects (page); i++)
    {
      const char *name = teesql_object_info_get_name (teesql_object_page_get_object (page, i));

      g_assert_true (teesql_storage_name_is_valid (name));
      g_assert_true (strcmp (before, name) < 0);
      before = name;
    }
}

static void
fuzz_object (GBytes *body)
{
  g_auto (GcsObject) object = { 0 };

  if (gcs_answer_read_object (body, &object, NULL))
    g_assert_true (object.generation[0] != '\0' && strspn (object.generation, "0123456789") == strlen (object.generation));
}

static void
fuzz_parts (GBytes *body)
{
  g_autofree char *next = NULL;
  g_autoptr (GPtrArray) parts = gcs_answer_read_parts (body, &next, NULL);

  for (guint i = 0; parts != NULL && i < parts->len; i++)
    g_assert_nonnull (((const GcsLeftover *) parts->pdata[i])->name);
}

static void
fuzz_problem (GBytes *body)
{
  g_autofree char *reason = NULL;
  g_autofree char *message = NULL;

  gcs_answer_read_problem (body, &reason, &message);
  g_assert_true (reason != NULL && message != NULL);
}

static void
fuzz_scan (const guint8 *data, gsize size)
{
  g_autoptr (TeesqlSecret) secret = gcs_scan_text (data, size, "private_key", NULL);
  g_autofree char *plain = gcs_scan_public (data, size, "client_email", NULL);
  guint64 number = 0;

  g_assert_true (secret == NULL || teesql_secret_get_size (secret) > 0);
  g_assert_true (plain == NULL || strpbrk (plain, "\"\\ \n") == NULL);
  g_assert_true (!gcs_scan_number (data, size, "expires_in", &number, NULL) || number <= G_MAXUINT32);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) body = size > 0 ? g_bytes_new (data + 1, size - 1) : NULL;

  if (size == 0)
    return 0;
  switch (data[0] % 5)
    {
    case 0:
      fuzz_list (body);
      break;
    case 1:
      fuzz_object (body);
      break;
    case 2:
      fuzz_parts (body);
      break;
    case 3:
      fuzz_problem (body);
      break;
    default:
      fuzz_scan (data + 1, size - 1);
    }
  return 0;
}
