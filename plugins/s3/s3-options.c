#include "s3-options.h"

#include <string.h>
#include <teesql/teesql-storage.h>

#define FLAGS      (G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define MINUTE_MS  (60u * 1000)
#define PREFIX_MAX ((gsize) 400) /* with a name of 512 bytes below S3's 1,024 */

enum
{
  PROP_ENDPOINT = 1,
  PROP_REGION,
  PROP_BUCKET,
  PROP_PREFIX,
  PROP_PATH_STYLE,
  PROP_STORAGE_CLASS,
  PROP_SERVER_SIDE_ENCRYPTION,
  PROP_CONDITIONAL_PUT,
  PROP_CHECKSUM,
  PROP_CA_FILE,
  PROP_TIMEOUT,
  PROP_MAX_CONNECTIONS,
  PROP_CREDENTIALS,
  PROP_ACCESS_KEY_ID,
  PROP_SECRET_ACCESS_KEY,
  PROP_SESSION_TOKEN,
  PROP_ROLE_ARN,
  PROP_ROLE_SESSION_NAME,
  PROP_WEB_IDENTITY_TOKEN_FILE,
  PROP_STS_ENDPOINT,
  PROP_METADATA_ENDPOINT,
  N_PROPS
};

static const struct
{
  guint id;
  const char *name;
  const char *blurb;
  const char *value;
  gsize place;
} texts[] = {
  { PROP_ENDPOINT, "endpoint", "Where the store answers; auto: Amazon's address for region. http:// will do: what is stored is sealed",
    "auto", G_STRUCT_OFFSET (S3Options, endpoint_text) },
  { PROP_REGION, "region", "Region of the bucket", "us-east-1", G_STRUCT_OFFSET (S3Options, region) },
  { PROP_BUCKET, "bucket", "Bucket, which must be there (required)", NULL, G_STRUCT_OFFSET (S3Options, bucket) },
  { PROP_PREFIX, "prefix", "Folder in the bucket below which all names live, or none", "none", G_STRUCT_OFFSET (S3Options, prefix_text) },
  { PROP_STORAGE_CLASS, "storage-class", "Storage class of new objects, such as STANDARD_IA, or none: the bucket's own", "none",
    G_STRUCT_OFFSET (S3Options, storage_class) },
  { PROP_SERVER_SIDE_ENCRYPTION, "server-side-encryption", "AES256, aws:kms, or none: the bucket's own", "none",
    G_STRUCT_OFFSET (S3Options, encryption) },
  { PROP_CONDITIONAL_PUT, "conditional-put", "auto: objects that must be new are put with If-None-Match; none: the store cannot do that",
    "auto", G_STRUCT_OFFSET (S3Options, conditional_text) },
  { PROP_CHECKSUM, "checksum", "What the store verifies beside the signed hash: sha256, md5 or none", "sha256",
    G_STRUCT_OFFSET (S3Options, checksum_text) },
  { PROP_CA_FILE, "ca-file", "PEM file with the authorities of an https endpoint, instead of the system's", "none",
    G_STRUCT_OFFSET (S3Options, ca_file) },
  { PROP_CREDENTIALS, "credentials", "Where they come from: static, environment (static, by env: references), web-identity, metadata",
    "static", G_STRUCT_OFFSET (S3Options, credentials_text) },
  { PROP_ACCESS_KEY_ID, "access-key-id", "Who we are to the store", NULL, G_STRUCT_OFFSET (S3Options, access_key_id) },
  { PROP_ROLE_ARN, "role-arn", "Role to assume with a web identity", "none", G_STRUCT_OFFSET (S3Options, role_arn) },
  { PROP_ROLE_SESSION_NAME, "role-session-name", "Name of the session in the store's own log", "teesql",
    G_STRUCT_OFFSET (S3Options, role_session_name) },
  { PROP_WEB_IDENTITY_TOKEN_FILE, "web-identity-token-file", "File with the web identity's token, read again for each refresh", "none",
    G_STRUCT_OFFSET (S3Options, token_file) },
  { PROP_STS_ENDPOINT, "sts-endpoint", "Where roles are assumed; auto: Amazon's address for region", "auto",
    G_STRUCT_OFFSET (S3Options, sts_endpoint_text) },
  { PROP_METADATA_ENDPOINT, "metadata-endpoint", "Where the instance's metadata is (IMDSv2)", "http://169.254.169.254",
    G_STRUCT_OFFSET (S3Options, metadata_endpoint_text) },
};

static void
install_number (GObjectClass *klass, guint id, const char *name, const char *blurb, guint min, guint max, guint value, const char *unit)
{
  GParamSpec *spec = g_param_spec_uint (name, NULL, blurb, min, max, value, FLAGS);

  if (unit != NULL)
    g_param_spec_set_qdata (spec, g_quark_from_static_string ("teesql-unit"), (gpointer) unit);
  g_object_class_install_property (klass, id, spec);
}

void
s3_options_install (GObjectClass *klass)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_object_class_install_property (klass, texts[i].id, g_param_spec_string (texts[i].name, NULL, texts[i].blurb, texts[i].value, FLAGS));
  g_object_class_install_property (klass, PROP_PATH_STYLE,
                                   g_param_spec_boolean ("path-style", NULL,
                                                         "Bucket in the path of addresses instead of in the host's name", FALSE, FLAGS));
  install_number (klass, PROP_TIMEOUT, "timeout", "Longest time in which nothing moves, or an answer is not complete", 100, 60 * MINUTE_MS,
                  MINUTE_MS, "ms");
  install_number (klass, PROP_MAX_CONNECTIONS, "max-connections", "Connections to the store at a time", 1, 64, 16, NULL);
  g_object_class_install_property (klass, PROP_SECRET_ACCESS_KEY,
                                   g_param_spec_boxed ("secret-access-key", NULL, "Secret that belongs to access-key-id",
                                                       TEESQL_TYPE_SECRET, FLAGS));
  g_object_class_install_property (klass, PROP_SESSION_TOKEN,
                                   g_param_spec_boxed ("session-token", NULL, "Third part of credentials that end", TEESQL_TYPE_SECRET,
                                                       FLAGS));
}

gboolean
s3_options_is_property (guint property_id)
{
  return property_id >= PROP_ENDPOINT && property_id < N_PROPS;
}

/* In conditional-put and checksum, none is a choice and no absence. */
static gboolean
is_absent (guint property_id, const char *text)
{
  if (text == NULL || text[0] == '\0')
    return TRUE;
  if (property_id == PROP_CONDITIONAL_PUT || property_id == PROP_CHECKSUM)
    return FALSE;
  return g_str_equal (text, "none") || g_str_equal (text, "auto");
}

static void
set_text (S3Options *self, guint property_id, const GValue *value)
{
  const char *text = g_value_get_string (value);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      char **place = G_STRUCT_MEMBER_P (self, texts[i].place);

      if (texts[i].id != property_id)
        continue;
      g_free (*place);
      *place = is_absent (property_id, text) ? NULL : g_strdup (text);
    }
}

static void
set_secret (TeesqlSecret **place, const GValue *value)
{
  g_clear_pointer (place, teesql_secret_unref);
  *place = g_value_dup_boxed (value);
}

void
s3_options_set (S3Options *self, guint property_id, const GValue *value)
{
  if (property_id == PROP_PATH_STYLE)
    self->path_style = g_value_get_boolean (value);
  else if (property_id == PROP_TIMEOUT)
    self->timeout_ms = g_value_get_uint (value);
  else if (property_id == PROP_MAX_CONNECTIONS)
    self->max_connections = g_value_get_uint (value);
  else if (property_id == PROP_SECRET_ACCESS_KEY)
    set_secret (&self->secret_access_key, value);
  else if (property_id == PROP_SESSION_TOKEN)
    set_secret (&self->session_token, value);
  else
    set_text (self, property_id, value);
}

/* ---- what they stand for ---- */

static gboolean fail (GError **error, const char *option, const char *format, ...) G_GNUC_PRINTF (3, 4);

static gboolean
fail (GError **error, const char *option, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "s3-option", 0, "%s: %s", option, text));
  return FALSE;
}

static gboolean
is_word (const char *text, const char *more, gsize max)
{
  gsize size = strlen (text);

  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isalnum (text[i]) && strchr (more, text[i]) == NULL)
      return FALSE;
  return size > 0 && size <= max;
}

static gboolean
resolve_bucket (S3Options *self, GError **error)
{
  if (self->region == NULL || !is_word (self->region, "-", 63))
    return fail (error, "region", "expected a word such as eu-west-3");
  if (self->bucket == NULL)
    return fail (error, "bucket", "is required");
  /* lower case but for old buckets; never a slash, which would be another bucket's path */
  if (!is_word (self->bucket, ".-_", 255) || strstr (self->bucket, "..") != NULL || self->bucket[0] == '.')
    return fail (error, "bucket", "\"%s\" is no name of a bucket", self->bucket);
  return TRUE;
}

static gboolean
resolve_prefix (S3Options *self, GError **error)
{
  g_autofree char *bare = g_strdup (self->prefix_text != NULL ? self->prefix_text : "");

  if (g_str_has_suffix (bare, "/"))
    bare[strlen (bare) - 1] = '\0';
  if (bare[0] != '\0' && (!teesql_storage_name_is_valid (bare) || strlen (bare) > PREFIX_MAX))
    return fail (error, "prefix", "\"%s\" is none: expected up to 400 of A-Z a-z 0-9 . _ = - in segments split by single /",
                 self->prefix_text);
  self->prefix = bare[0] != '\0' ? g_strconcat (bare, "/", NULL) : g_strdup ("");
  return TRUE;
}

static gboolean
resolve_endpoint (S3Options *self, GError **error)
{
  g_autofree char *amazon = g_strdup_printf ("https://s3.%s.amazonaws.com", self->region);
  g_autofree char *sts = g_strdup_printf ("https://sts.%s.amazonaws.com", self->region);
  const char *metadata = self->metadata_endpoint_text != NULL ? self->metadata_endpoint_text : "http://169.254.169.254";

  if (!cloud_endpoint_parse (self->endpoint_text != NULL ? self->endpoint_text : amazon, "endpoint", &self->endpoint, error) ||
      !cloud_endpoint_parse (self->sts_endpoint_text != NULL ? self->sts_endpoint_text : sts, "sts-endpoint", &self->sts_endpoint, error) ||
      !cloud_endpoint_parse (metadata, "metadata-endpoint", &self->metadata_endpoint, error))
    return FALSE;
  if (!self->path_style && g_hostname_is_ip_address (self->endpoint.host))
    return fail (error, "path-style", "the address of endpoint cannot have the bucket's name before it\nhint: path-style = true");
  return TRUE;
}

static gboolean
resolve_objects (S3Options *self, GError **error)
{
  const char *conditional = self->conditional_text != NULL ? self->conditional_text : "auto";
  const char *checksum = self->checksum_text != NULL ? self->checksum_text : "sha256";
  static const char *const checksums[] = { "sha256", "md5", "none" };
  guint found = 0;

  if (self->storage_class != NULL && !is_word (self->storage_class, "_-", 64))
    return fail (error, "storage-class", "\"%s\" is none", self->storage_class);
  if (self->encryption != NULL && !is_word (self->encryption, ":-", 64))
    return fail (error, "server-side-encryption", "\"%s\", expected AES256, aws:kms or none", self->encryption);
  if (!g_str_equal (conditional, "auto") && !g_str_equal (conditional, "none"))
    return fail (error, "conditional-put", "\"%s\", expected auto or none", conditional);
  while (found < G_N_ELEMENTS (checksums) && !g_str_equal (checksum, checksums[found]))
    found++;
  if (found == G_N_ELEMENTS (checksums))
    return fail (error, "checksum", "\"%s\", expected sha256, md5 or none", checksum);
  self->conditional = g_str_equal (conditional, "auto");
  self->checksum = (S3Checksum) found;
  return TRUE;
}

static gboolean
resolve_static (S3Options *self, const char *word, GError **error)
{
  gboolean environment = g_str_equal (word, "environment");

  if (self->access_key_id == NULL || self->secret_access_key == NULL)
    return fail (error, self->access_key_id == NULL ? "access-key-id" : "secret-access-key", "is required where credentials = %s\nhint: %s",
                 word,
                 environment ? "access-key-id = env:AWS_ACCESS_KEY_ID, secret-access-key = env:AWS_SECRET_ACCESS_KEY, and perhaps "
                               "session-token = env:AWS_SESSION_TOKEN; a storage itself is started without the daemon's environment"
                             : "credential:NAME, file:/PATH or env:NAME; or credentials = web-identity or metadata");
  self->kind = S3_CREDENTIALS_STATIC;
  self->fixed = s3_credentials_new (self->access_key_id, self->secret_access_key, self->session_token, error);
  return self->fixed != NULL;
}

static gboolean
resolve_web_identity (S3Options *self, GError **error)
{
  if (self->role_arn == NULL || self->token_file == NULL || !g_path_is_absolute (self->token_file))
    return fail (error, self->role_arn == NULL ? "role-arn" : "web-identity-token-file", "is required where credentials = web-identity%s",
                 self->role_arn == NULL ? "" : ", as an absolute path");
  if (self->role_session_name == NULL || !is_word (self->role_session_name, "+=,.@-_", 64))
    return fail (error, "role-session-name", "expected 2 to 64 letters, digits or + = , . @ - _");
  self->kind = S3_CREDENTIALS_WEB_IDENTITY;
  return TRUE;
}

static gboolean
resolve_credentials (S3Options *self, GError **error)
{
  const char *word = self->credentials_text != NULL ? self->credentials_text : "static";

  if (g_str_equal (word, "static") || g_str_equal (word, "environment"))
    return resolve_static (self, word, error);
  if (g_str_equal (word, "web-identity"))
    return resolve_web_identity (self, error);
  if (!g_str_equal (word, "metadata"))
    return fail (error, "credentials", "\"%s\", expected static, environment, web-identity or metadata", word);
  self->kind = S3_CREDENTIALS_METADATA;
  return TRUE;
}

static gboolean
resolve_ca (S3Options *self, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (self->ca_file == NULL)
    return TRUE;
  self->ca = g_tls_file_database_new (self->ca_file, &cause);
  return self->ca != NULL || fail (error, "ca-file", "%s: %s", self->ca_file, cause->message);
}

gboolean
s3_options_resolve (S3Options *self, GError **error)
{
  return resolve_bucket (self, error) && resolve_prefix (self, error) && resolve_endpoint (self, error) && resolve_objects (self, error) &&
         resolve_credentials (self, error) && resolve_ca (self, error);
}

void
s3_options_clear (S3Options *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_clear_pointer ((char **) G_STRUCT_MEMBER_P (self, texts[i].place), g_free);
  g_clear_pointer (&self->secret_access_key, teesql_secret_unref);
  g_clear_pointer (&self->session_token, teesql_secret_unref);
  cloud_endpoint_clear (&self->endpoint);
  cloud_endpoint_clear (&self->sts_endpoint);
  cloud_endpoint_clear (&self->metadata_endpoint);
  g_clear_pointer (&self->prefix, g_free);
  g_clear_pointer (&self->fixed, s3_credentials_unref);
  g_clear_object (&self->ca);
}
