/* The first byte chooses the parser, the rest is what came over the wire. */
#include "pgwire/teesql-pgwire-message.h"
#include "pgwire/teesql-pgwire-startup.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static gboolean
is_inside (const void *pointer, gsize length, const guint8 *data, gsize size)
{
  const guint8 *at = pointer;

  return at >= data && length <= size && (gsize) (at - data) <= size - length;
}

static void
fuzz_startup (const guint8 *data, gsize size)
{
  TeesqlStartup startup;

  if (!teesql_startup_parse (data, size, &startup, NULL))
    return;
  g_assert_true (startup.size <= size && startup.size <= TEESQL_STARTUP_MAX_SIZE);
  if (startup.kind == TEESQL_STARTUP_MESSAGE)
    {
      g_assert_nonnull (startup.user);
      g_assert_nonnull (startup.database);
      g_assert_true (startup.n_unknown_options <= startup.n_parameters);
      for (guint i = 0; i < startup.n_parameters; i++)
        {
          const char *value = startup.parameters[i].value;

          g_assert_true (is_inside (value, strlen (value) + 1, data, startup.size));
          g_assert_true (teesql_startup_get_parameter (&startup, startup.parameters[i].name) == value);
        }
    }
  if (startup.kind == TEESQL_STARTUP_CANCEL_REQUEST)
    g_assert_true (is_inside (startup.cancel_key, startup.cancel_key_size, data, startup.size));
}

static void
fuzz_error (TeesqlCursor body)
{
  g_autoptr (GByteArray) again = g_byte_array_new ();
  TeesqlErrorFields fields;

  if (!teesql_message_parse_error (&body, &fields, NULL))
    return;
  teesql_message_error (again, fields.severity, fields.sqlstate, fields.message, fields.detail, fields.hint);
  g_assert_cmpuint (again->len, >, 5);
}

static void
fuzz_sasl (TeesqlCursor body)
{
  const char *mechanism = NULL;
  const char *data = NULL;
  gsize size = 0;

  if (teesql_message_parse_sasl_initial (&body, &mechanism, &data, &size, NULL))
    g_assert_true (is_inside (data, size, body.data, body.size) && is_inside (mechanism, strlen (mechanism) + 1, body.data, body.size));
}

static void
fuzz_bodies (TeesqlCursor body)
{
  TeesqlCursor attempt = body;
  TeesqlCursor rest;
  const guint8 *bytes = NULL;
  guint32 number = 0;
  gsize size = 0;
  gboolean scram = FALSE;
  gboolean plus = FALSE;

  fuzz_error (body);
  fuzz_sasl (body);
  if (teesql_message_parse_authentication (&attempt, &number, &rest, NULL))
    (void) !teesql_message_parse_mechanisms (&rest, &scram, &plus, NULL);
  attempt = body;
  if (teesql_message_parse_password (&attempt, &bytes, &size, NULL))
    g_assert_true (is_inside (bytes, size + 1, body.data, body.size));
  attempt = body;
  if (teesql_message_parse_backend_key (&attempt, &number, &bytes, &size, NULL))
    g_assert_true (size >= 4 && is_inside (bytes, size, body.data, body.size));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  TeesqlMessage message;
  gboolean complete = FALSE;

  if (size == 0)
    return 0;
  if (data[0] == 's')
    fuzz_startup (data + 1, size - 1);
  else if (teesql_message_frame (data + 1, size - 1, 10000, &message, &complete, NULL) && complete)
    {
      g_assert_true (message.size <= size - 1);
      fuzz_bodies (message.body);
    }
  return 0;
}
