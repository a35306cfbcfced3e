/* Everything that a store may answer in XML or JSON. The first byte chooses who reads. What gets through must hold what readers promise. */
#include <string.h>
#include <teesql/teesql-storage.h>

#include "s3/s3-answers.h"
#include "s3/s3-error.h"
#include "s3/s3-scan.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
fuzz_list (GBytes *body)
{
  g_autoptr (TeesqlObjectPage) page = s3_answer_read_list (body, "repo/", "repo/w", "repo/w0", 3, NULL);
  const char *before = "w0";

  for (guint i = 0; page != NULL && i < teesql_object_page_get_n_objects (page); i++)
    {
      const char *name = teesql_object_info_get_name (teesql_object_page_get_object (page, i));

      g_assert_true (teesql_storage_name_is_valid (name));
      g_assert_true (name[0] == 'w' && strcmp (before, name) < 0);
      before = name;
    }
  g_assert_true (page == NULL || teesql_object_page_get_n_objects (page) <= 3);
}

static void
fuzz_problem (GBytes *body)
{
  g_auto (S3Problem) problem = { 0 };
  S3Refusal refusal = { .what = "put x", .status = 500, .problem = &problem };

  s3_answer_read_problem (body, &problem);
  g_autoptr (GError) error = s3_error_new (&refusal);
  for (const char *c = error->message; *c != '\0'; c++)
    g_assert_true (g_ascii_isprint (*c) || *c == '\n');
}

static void
fuzz_complete (GBytes *body)
{
  g_auto (S3Problem) problem = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *etag = s3_answer_read_complete (body, &problem, &error);

  g_assert_true (etag == NULL || error == NULL);
}

static void
fuzz_scan (GBytes *body)
{
  g_autoptr (TeesqlSecret) json = s3_scan_json (body, "Token", NULL);
  g_autoptr (TeesqlSecret) xml = s3_scan_xml (body, "Token", NULL);

  g_assert_true (json == NULL || teesql_secret_get_size (json) < g_bytes_get_size (body));
  g_assert_true (xml == NULL || teesql_secret_get_size (xml) < g_bytes_get_size (body));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) body = NULL;
  g_autofree char *id = NULL;

  if (size == 0)
    return 0;
  body = g_bytes_new (data + 1, size - 1);
  switch (data[0])
    {
    case 'l':
      fuzz_list (body);
      break;
    case 'e':
      fuzz_problem (body);
      break;
    case 'c':
      fuzz_complete (body);
      break;
    case 's':
      fuzz_scan (body);
      break;
    default:
      id = s3_answer_read_upload_id (body, NULL);
      g_assert_true (id == NULL || strlen (id) <= 2048);
      break;
    }
  return 0;
}
