#include "gcs-storage-private.h"

#include "../cloud/cloud-uri.h"
#include "base/teesql-domains.h"
#include "gcs-token.h"

#include <string.h>

#define MAX_CONNECTIONS 16
#define BUCKET_MAX      222
#define PREFIX_MAX      256

static void storage_init_interface (TeesqlStorageInterface *iface);
static void initable_init_interface (GAsyncInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (GcsStorage, gcs_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, storage_init_interface)
                                   G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_INITABLE, initable_init_interface))

enum
{
  PROP_BUCKET = 1,
  PROP_PREFIX,
  PROP_ENDPOINT,
  PROP_CREDENTIALS,
  PROP_SERVICE_ACCOUNT,
  PROP_TOKEN_ENDPOINT,
  PROP_METADATA_ENDPOINT,
  PROP_CA_FILE,
  PROP_TIMEOUT,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

/* ---- options ---- */

static gboolean
wrong (GError **error, const char *format, const char *value)
{
  g_autofree char *message = g_strdup_printf (format, value != NULL ? value : "");

  return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "gcs-option", "%s", message);
}

static gboolean
check_bucket (GcsStorage *self, GError **error)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

  if (self->bucket == NULL)
    return wrong (error, "bucket: required%s", NULL);
  if (strlen (self->bucket) < 3 || strlen (self->bucket) > BUCKET_MAX || strspn (self->bucket, allowed) != strlen (self->bucket))
    return wrong (error, "bucket: “%s” is no name of a bucket", self->bucket);
  return TRUE;
}

/* What stands before every name obeys the rule for names; the slash behind it is ours. */
static gboolean
check_prefix (GcsStorage *self, GError **error)
{
  g_autofree char *bare = g_strdup (self->prefix != NULL ? self->prefix : "");

  if (g_str_has_suffix (bare, "/"))
    bare[strlen (bare) - 1] = '\0';
  if (bare[0] != '\0' && (strlen (bare) > PREFIX_MAX || !teesql_storage_name_is_valid (bare)))
    return wrong (error, "prefix: “%s” is no beginning of names: letters, digits, `._=-`, parts split by single slashes", self->prefix);
  g_free (self->prefix);
  self->prefix = bare[0] != '\0' ? g_strconcat (bare, "/", NULL) : g_strdup ("");
  return TRUE;
}

static gboolean
check_endpoint (char **place, const char *option, GError **error)
{
  g_auto (CloudEndpoint) endpoint = { 0 };

  if (!cloud_endpoint_parse (*place, option, &endpoint, error))
    return FALSE;
  g_free (*place);
  *place = g_strdup_printf ("%s://%s", endpoint.https ? "https" : "http", endpoint.authority);
  return TRUE;
}

static gboolean
open_session (GcsStorage *self, GError **error)
{
  g_autoptr (GTlsDatabase) ca = NULL;

  if (self->ca_file != NULL)
    {
      ca = g_tls_file_database_new (self->ca_file, error);
      if (ca == NULL)
        {
          g_prefix_error (error, "ca-file: ");
          return FALSE;
        }
    }
  self->session = cloud_session_new (ca, MAX_CONNECTIONS);
  return TRUE;
}

static gboolean
open_service_account (GcsStorage *self, GError **error)
{
  g_autoptr (GcsKey) key = NULL;
  GcsTokenOptions options = { .session = self->session, .timeout_ms = self->timeout_ms };

  if (self->service_account == NULL)
    return wrong (error, "service-account: required with credentials = service-account%s", NULL);
  key = gcs_key_new (self->service_account, error);
  if (key == NULL)
    return FALSE;
  options.endpoint_option = self->token_endpoint != NULL ? "token-endpoint" : "service-account";
  options.endpoint = self->token_endpoint != NULL ? self->token_endpoint : key->token_uri;
  if (!g_str_has_prefix (options.endpoint, "https://") && !g_str_has_prefix (options.endpoint, "http://127.0.0.1:"))
    return wrong (error, "token-endpoint: “%s” is no https:// address", options.endpoint);
  options.key = g_steal_pointer (&key);
  self->tokens = gcs_tokens_new (&options);
  return TRUE;
}

static gboolean
open_metadata (GcsStorage *self, GError **error)
{
  GcsTokenOptions options = { .session = self->session, .timeout_ms = self->timeout_ms, .endpoint_option = "metadata-endpoint" };

  if (self->service_account != NULL)
    return wrong (error, "service-account: not used with credentials = metadata%s", NULL);
  if (!check_endpoint (&self->metadata_endpoint, "metadata-endpoint", error))
    return FALSE;
  options.endpoint = self->metadata_endpoint;
  self->tokens = gcs_tokens_new (&options);
  return TRUE;
}

static gboolean
open_storage (GcsStorage *self, GError **error)
{
  if (!check_bucket (self, error) || !check_prefix (self, error) || !check_endpoint (&self->endpoint, "endpoint", error) ||
      !open_session (self, error))
    return FALSE;
  if (g_str_equal (self->credentials, "metadata"))
    return open_metadata (self, error);
  if (g_str_equal (self->credentials, "service-account"))
    return open_service_account (self, error);
  return wrong (error, "credentials: “%s” is neither service-account nor metadata", self->credentials);
}

static void
init_async (GAsyncInitable *initable, int priority, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (initable, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, init_async);
  if (open_storage (GCS_STORAGE (initable), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
init_finish (GAsyncInitable *initable, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, initable), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
initable_init_interface (GAsyncInitableIface *iface)
{
  iface->init_async = init_async;
  iface->init_finish = init_finish;
}

/* ---- interface ---- */

static TeesqlStorageFeatures
get_features (TeesqlStorage *storage)
{
  return TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL;
}

static void
storage_init_interface (TeesqlStorageInterface *iface)
{
  iface->get_features = get_features;
  gcs_objects_init_interface (iface);
  gcs_put_init_interface (iface);
  gcs_upload_init_interface (iface);
}

/* ---- object ---- */

static char **
text_place (GcsStorage *self, guint id)
{
  switch (id)
    {
    case PROP_BUCKET:
      return &self->bucket;
    case PROP_PREFIX:
      return &self->prefix;
    case PROP_ENDPOINT:
      return &self->endpoint;
    case PROP_CREDENTIALS:
      return &self->credentials;
    case PROP_TOKEN_ENDPOINT:
      return &self->token_endpoint;
    case PROP_METADATA_ENDPOINT:
      return &self->metadata_endpoint;
    case PROP_CA_FILE:
      return &self->ca_file;
    default:
      return NULL;
    }
}

static void
gcs_storage_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GcsStorage *self = GCS_STORAGE (object);
  char **text = text_place (self, id);

  if (text != NULL)
    {
      g_free (*text);
      *text = g_value_dup_string (value);
    }
  else if (id == PROP_SERVICE_ACCOUNT)
    {
      g_clear_pointer (&self->service_account, teesql_secret_unref);
      self->service_account = g_value_dup_boxed (value);
    }
  else if (id == PROP_TIMEOUT)
    self->timeout_ms = g_value_get_uint (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gcs_storage_finalize (GObject *object)
{
  GcsStorage *self = GCS_STORAGE (object);

  g_clear_pointer (&self->tokens, cloud_tokens_unref);
  g_hash_table_unref (self->uploads);
  g_clear_object (&self->session);
  g_clear_pointer (&self->service_account, teesql_secret_unref);
  for (guint id = 1; id < N_PROPS; id++)
    if (text_place (self, id) != NULL)
      g_free (*text_place (self, id));
  G_OBJECT_CLASS (gcs_storage_parent_class)->finalize (object);
}

static void
install_text (guint id, const char *name, const char *blurb, const char *fallback)
{
  props[id] = g_param_spec_string (name, NULL, blurb, fallback, G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
}

static void
gcs_storage_class_init (GcsStorageClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = gcs_storage_set_property;
  object_class->finalize = gcs_storage_finalize;
  install_text (PROP_BUCKET, "bucket", "Name of the bucket", NULL);
  install_text (PROP_PREFIX, "prefix", "Below which all objects live", NULL);
  install_text (PROP_ENDPOINT, "endpoint", "Where the JSON API answers (URL)", "https://storage.googleapis.com");
  install_text (PROP_CREDENTIALS, "credentials", "service-account, or metadata of the machine", "service-account");
  install_text (PROP_TOKEN_ENDPOINT, "token-endpoint", "Where tokens are, instead of the key's own token_uri (URL)", NULL);
  install_text (PROP_METADATA_ENDPOINT, "metadata-endpoint", "Metadata server of the machine (URL)", "http://169.254.169.254");
  install_text (PROP_CA_FILE, "ca-file", "Authorities for https, PEM, instead of the system's (path)", NULL);
  props[PROP_SERVICE_ACCOUNT] = g_param_spec_boxed ("service-account", NULL, "JSON key of the service account", TEESQL_TYPE_SECRET,
                                                    G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  props[PROP_TIMEOUT] = g_param_spec_uint ("timeout", NULL, "Longest time in which nothing moves", 100, 3600000, 60000,
                                           G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_param_spec_set_qdata (props[PROP_TIMEOUT], g_quark_from_static_string ("teesql-unit"), (gpointer) "ms");
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
gcs_storage_init (GcsStorage *self)
{
  self->uploads = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}
