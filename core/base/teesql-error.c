#include "base/teesql-domains.h"
#include <string.h>

#define REASON_MAX 63 /* the header's promise to machines: [a-z0-9-]{1,63} */

/* No pointers: a copy is a copy, nothing is left to free. */
typedef struct
{
  char reason[REASON_MAX + 1];
  guint retry_after_ms;
} ErrorDetails;

#define DEFINE_DOMAIN(TypeName, type_name)                                                                                                 \
  typedef ErrorDetails TypeName##Private;                                                                                                  \
  static void type_name##_private_init (TypeName##Private *self)                                                                           \
  {                                                                                                                                        \
    details_init (self);                                                                                                                   \
  }                                                                                                                                        \
  static void type_name##_private_copy (const TypeName##Private *src, TypeName##Private *dest)                                             \
  {                                                                                                                                        \
    *dest = *src;                                                                                                                          \
  }                                                                                                                                        \
  static void type_name##_private_clear (TypeName##Private *self)                                                                          \
  {                                                                                                                                        \
    details_init (self);                                                                                                                   \
  }                                                                                                                                        \
  G_DEFINE_EXTENDED_ERROR (TypeName, type_name)

static void
details_init (ErrorDetails *self)
{
  *self = (ErrorDetails){ .reason = "unspecified" };
}

/* GLib's macro finds the details in front of the error, at an alignment that it takes care of itself. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-align"
/* clang-format off */
DEFINE_DOMAIN (TeesqlAttesterError, teesql_attester_error)
DEFINE_DOMAIN (TeesqlVerifierError, teesql_verifier_error)
DEFINE_DOMAIN (TeesqlKmsError, teesql_kms_error)
DEFINE_DOMAIN (TeesqlStorageError, teesql_storage_error)
DEFINE_DOMAIN (TeesqlParseError, teesql_parse_error)
DEFINE_DOMAIN (TeesqlConfigError, teesql_config_error)
DEFINE_DOMAIN (TeesqlPluginError, teesql_plugin_error)
DEFINE_DOMAIN (TeesqlAttestError, teesql_attest_error)
DEFINE_DOMAIN (TeesqlProtocolError, teesql_protocol_error)
DEFINE_DOMAIN (TeesqlPostgresError, teesql_postgres_error)
DEFINE_DOMAIN (TeesqlBackupError, teesql_backup_error)
/* clang-format on */
#pragma GCC diagnostic pop

static const struct
{
  GQuark (*quark) (void);
  ErrorDetails *(*get_details) (const GError *error);
} domains[] = {
  { teesql_attester_error_quark, teesql_attester_error_get_private }, { teesql_verifier_error_quark, teesql_verifier_error_get_private },
  { teesql_kms_error_quark, teesql_kms_error_get_private },           { teesql_storage_error_quark, teesql_storage_error_get_private },
  { teesql_parse_error_quark, teesql_parse_error_get_private },       { teesql_config_error_quark, teesql_config_error_get_private },
  { teesql_plugin_error_quark, teesql_plugin_error_get_private },     { teesql_attest_error_quark, teesql_attest_error_get_private },
  { teesql_protocol_error_quark, teesql_protocol_error_get_private }, { teesql_postgres_error_quark, teesql_postgres_error_get_private },
  { teesql_backup_error_quark, teesql_backup_error_get_private },
};

static ErrorDetails *
get_details (const GError *error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (domains); i++)
    {
      if (error->domain == domains[i].quark ())
        return domains[i].get_details (error);
    }
  return NULL;
}

static gboolean
reason_is_valid (const char *reason)
{
  gsize length = reason != NULL ? strspn (reason, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

  return length >= 1 && length <= REASON_MAX && reason[length] == '\0';
}

GError *
teesql_error_new (GQuark domain, TeesqlError code, const char *reason, guint retry_after_ms, const char *format, ...)
{
  ErrorDetails *details = NULL;
  GError *error = NULL;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (domain, (int) code, format, args);
  va_end (args);

  details = get_details (error);
  if (details == NULL)
    return error;
  /* reasons also come from plugins and over a process boundary: a bad one must cost the identifier, not the error */
  if (reason_is_valid (reason))
    g_strlcpy (details->reason, reason, sizeof details->reason);
  details->retry_after_ms = retry_after_ms;
  return error;
}

const char *
teesql_error_get_reason (const GError *error)
{
  ErrorDetails *details = NULL;

  g_return_val_if_fail (error != NULL, "unspecified");

  details = get_details (error);
  return details != NULL ? details->reason : "unspecified";
}

guint
teesql_error_get_retry_after_ms (const GError *error)
{
  ErrorDetails *details = NULL;

  g_return_val_if_fail (error != NULL, 0);

  details = get_details (error);
  return details != NULL ? details->retry_after_ms : 0;
}

gboolean
teesql_fail (GError **error, GQuark domain, TeesqlError code, const char *reason, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_propagate_error (error, teesql_error_new (domain, code, reason, 0, "%s", text));
  return FALSE;
}
