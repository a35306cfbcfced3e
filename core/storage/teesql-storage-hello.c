#include "storage/teesql-storage-hello.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "base/teesql-log.h"
#include "plugin/teesql-plugin-file.h"
#include "plugin/teesql-plugin-value.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC          0x54535148u /* TSQH */
#define KEY_MAX        ((gsize) 128)
#define DIGEST_MAX     ((gsize) 96)
#define TEXT_MAX       ((gsize) 16384)
#define PATH_SIZE_MAX  ((gsize) 4096)
#define N_SETTINGS_MAX 256
#define N_PATHS_MAX    256
#define N_PORTS_MAX    256

#define fail(error, ...) teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-hello", __VA_ARGS__)

static void
setting_free (gpointer data)
{
  TeesqlStorageSetting *self = data;

  g_free (self->key);
  g_free (self->text);
  g_clear_pointer (&self->secret, teesql_secret_unref);
  g_free (self);
}

static TeesqlStorageHello *
hello_new (void)
{
  TeesqlStorageHello *self = g_new0 (TeesqlStorageHello, 1);

  self->settings = g_ptr_array_new_with_free_func (setting_free);
  return self;
}

void
teesql_storage_hello_free (TeesqlStorageHello *self)
{
  g_free (self->instance);
  g_free (self->module);
  g_free (self->digest);
  g_ptr_array_unref (self->settings);
  g_clear_pointer (&self->sandbox, teesql_storage_sandbox_free);
  g_free (self);
}

/* ---- from the configuration ---- */

static gboolean
add_setting (TeesqlStorageHello *self, const TeesqlConfig *config, const char *group, const char *key, GError **error)
{
  const char *text = teesql_config_get_raw (config, group, key);
  g_autofree char *place = teesql_config_describe (config, group, key);
  TeesqlStorageSetting *setting = g_new0 (TeesqlStorageSetting, 1);

  g_ptr_array_add (self->settings, setting);
  setting->key = g_strdup (key);
  if (text == NULL || !teesql_plugin_value_is_reference (text))
    setting->text = g_strdup (text != NULL ? text : "");
  else
    setting->secret = teesql_config_resolve_secret (text, error);
  if (setting->text != NULL || setting->secret != NULL)
    return TRUE;
  g_prefix_error (error, "%s: ", place);
  return FALSE;
}

static gboolean
add_settings (TeesqlStorageHello *self, const TeesqlConfig *config, const char *group, GError **error)
{
  g_autofree const char **keys = teesql_config_has_group (config, group) ? teesql_config_list_keys (config, group) : NULL;

  for (gsize i = 0; keys != NULL && keys[i] != NULL; i++)
    {
      if (!teesql_plugin_options_is_reserved (keys[i]) && !add_setting (self, config, group, keys[i], error))
        return FALSE;
    }
  return TRUE;
}

TeesqlStorageHello *
teesql_storage_hello_new (const TeesqlConfig *config, const char *instance, const char *module, const char *digest,
                          TeesqlStorageSandbox *sandbox, GError **error)
{
  g_autoptr (TeesqlStorageHello) self = hello_new ();
  g_autofree char *group = g_strconcat ("storage:", instance, NULL);

  self->instance = g_strdup (instance);
  self->module = g_strdup (module);
  self->digest = g_strdup (digest);
  self->sandbox = sandbox;
  self->log_level = TEESQL_LOG_INFO;
  if (teesql_log_is_enabled (TEESQL_LOG_DEBUG))
    self->log_level = TEESQL_LOG_DEBUG;
  return add_settings (self, config, group, error) ? g_steal_pointer (&self) : NULL;
}

TeesqlPluginSetting *
teesql_storage_hello_dup_settings (const TeesqlStorageHello *self, guint *out_n)
{
  TeesqlPluginSetting *settings = g_new0 (TeesqlPluginSetting, self->settings->len);

  for (guint i = 0; i < self->settings->len; i++)
    {
      const TeesqlStorageSetting *setting = self->settings->pdata[i];

      settings[i] = (TeesqlPluginSetting){ .key = setting->key, .text = setting->text, .secret = setting->secret };
    }
  *out_n = self->settings->len;
  return settings;
}

/* ---- bytes ---- */

static void
encode_setting (const TeesqlStorageSetting *setting, TeesqlStorageWriter *writer)
{
  gsize size = setting->secret == NULL ? strlen (setting->text) : 0;
  const guint8 *bytes = setting->secret == NULL ? (const guint8 *) setting->text : teesql_secret_peek (setting->secret, &size);

  teesql_storage_writer_text (writer, setting->key);
  teesql_storage_writer_u8 (writer, setting->secret != NULL);
  teesql_storage_writer_u32 (writer, (guint32) size);
  teesql_storage_writer_bytes (writer, bytes, size);
}

static void
encode_sandbox (const TeesqlStorageSandbox *sandbox, TeesqlStorageWriter *writer)
{
  teesql_storage_writer_u16 (writer, (guint16) sandbox->paths->len);
  for (guint i = 0; i < sandbox->paths->len; i++)
    {
      const TeesqlStoragePath *path = sandbox->paths->pdata[i];

      teesql_storage_writer_u8 (writer, (guint8) path->flags);
      teesql_storage_writer_text (writer, path->path);
    }
  teesql_storage_writer_u16 (writer, (guint16) sandbox->ports->len);
  for (guint i = 0; i < sandbox->ports->len; i++)
    teesql_storage_writer_u16 (writer, g_array_index (sandbox->ports, guint16, i));
}

gboolean
teesql_storage_hello_encode (const TeesqlStorageHello *self, TeesqlStorageWriter *writer, GError **error)
{
  teesql_storage_writer_u8 (writer, TEESQL_STORAGE_HELLO);
  teesql_storage_writer_u32 (writer, 0);
  teesql_storage_writer_u32 (writer, MAGIC);
  teesql_storage_writer_u16 (writer, TEESQL_STORAGE_PROTOCOL_VERSION);
  teesql_storage_writer_u8 (writer, self->log_level);
  teesql_storage_writer_text (writer, self->instance);
  teesql_storage_writer_text (writer, self->module);
  teesql_storage_writer_text (writer, self->digest);
  teesql_storage_writer_u16 (writer, (guint16) self->settings->len);
  for (guint i = 0; i < self->settings->len; i++)
    encode_setting (self->settings->pdata[i], writer);
  encode_sandbox (self->sandbox, writer);
  if (writer->failed || self->settings->len > N_SETTINGS_MAX)
    return teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "storage-options",
                        "[storage:%s]: its options are larger than %" G_GSIZE_FORMAT " bytes together", self->instance, writer->capacity);
  return TRUE;
}

static gboolean
decode_value (TeesqlCursor *rest, TeesqlStorageSetting *setting, GError **error)
{
  const guint8 *bytes = NULL;
  guint32 size = 0;
  guint8 is_secret = 0;

  if (!teesql_cursor_u8 (rest, "kind", &is_secret, error) || !teesql_cursor_u32_be (rest, "size", &size, error))
    return FALSE;
  if (is_secret > 1 || size > TEXT_MAX)
    return teesql_cursor_fail (rest, error, "range", "an option of kind %u with %u bytes", is_secret, size);
  if (!teesql_cursor_take (rest, "value", size, &bytes, error))
    return FALSE;
  if (is_secret == 1)
    setting->secret = teesql_secret_new (bytes, size, error);
  else
    setting->text = g_strndup ((const char *) bytes, size);
  return setting->secret != NULL || setting->text != NULL;
}

static gboolean
decode_settings (TeesqlCursor *rest, TeesqlStorageHello *self, GError **error)
{
  guint16 n = 0;

  if (!teesql_cursor_u16_be (rest, "options", &n, error))
    return FALSE;
  if (n > N_SETTINGS_MAX)
    return teesql_cursor_fail (rest, error, "count", "%u options, expected at most %d", n, N_SETTINGS_MAX);
  for (guint i = 0; i < n; i++)
    {
      TeesqlStorageSetting *setting = g_new0 (TeesqlStorageSetting, 1);
      const char *key = NULL;

      g_ptr_array_add (self->settings, setting);
      if (!teesql_cursor_c_string (rest, "option", KEY_MAX, &key, error))
        return FALSE;
      setting->key = g_strdup (key);
      if (!decode_value (rest, setting, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
decode_paths (TeesqlCursor *rest, TeesqlStorageSandbox *sandbox, GError **error)
{
  guint16 n = 0;

  if (!teesql_cursor_u16_be (rest, "paths", &n, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      const char *path = NULL;
      guint8 flags = 0;

      if (!teesql_cursor_u8 (rest, "flags", &flags, error) || !teesql_cursor_c_string (rest, "path", PATH_SIZE_MAX, &path, error))
        return FALSE;
      if (path[0] != '/' || flags > TEESQL_STORAGE_PATH_WRITE || i >= N_PATHS_MAX)
        return teesql_cursor_fail (rest, error, "path", "path %u is not absolute, has flags 0x%x, or is one too many", i, flags);
      teesql_storage_sandbox_add_path (sandbox, path, flags);
    }
  return TRUE;
}

static gboolean
decode_ports (TeesqlCursor *rest, TeesqlStorageSandbox *sandbox, GError **error)
{
  guint16 n = 0;

  if (!teesql_cursor_u16_be (rest, "ports", &n, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      guint16 port = 0;

      if (!teesql_cursor_u16_be (rest, "port", &port, error))
        return FALSE;
      if (port == 0 || i >= N_PORTS_MAX)
        return teesql_cursor_fail (rest, error, "port", "port %u is 0 or one too many", i);
      teesql_storage_sandbox_add_port (sandbox, port);
    }
  return TRUE;
}

static gboolean
decode_head (TeesqlCursor *rest, TeesqlStorageHello *self, GError **error)
{
  const char *instance = NULL;
  const char *module = NULL;
  const char *digest = NULL;
  guint32 magic = 0;
  guint16 version = 0;

  if (!teesql_cursor_u32_be (rest, "magic", &magic, error) || !teesql_cursor_u16_be (rest, "version", &version, error))
    return FALSE;
  if (magic != MAGIC || version != TEESQL_STORAGE_PROTOCOL_VERSION)
    return teesql_cursor_fail (rest, error, "version", "version %u, expected %d\nhint: teesqld and teesql-storage-host are of one release",
                               version, TEESQL_STORAGE_PROTOCOL_VERSION);
  if (!teesql_cursor_u8 (rest, "log level", &self->log_level, error) ||
      !teesql_cursor_c_string (rest, "instance", KEY_MAX, &instance, error) ||
      !teesql_cursor_c_string (rest, "module", KEY_MAX, &module, error) ||
      !teesql_cursor_c_string (rest, "digest", DIGEST_MAX + 1, &digest, error))
    return FALSE;
  if (!teesql_plugin_name_is_valid (module) || !teesql_plugin_name_is_valid (instance))
    return teesql_cursor_fail (rest, error, "name", "the names of instance and module are no names");
  self->instance = g_strdup (instance);
  self->module = g_strdup (module);
  self->digest = g_strdup (digest);
  return TRUE;
}

TeesqlStorageHello *
teesql_storage_hello_decode (TeesqlCursor *rest, GError **error)
{
  g_autoptr (TeesqlStorageHello) self = hello_new ();

  self->sandbox = teesql_storage_sandbox_new ();
  if (decode_head (rest, self, error) && decode_settings (rest, self, error) && decode_paths (rest, self->sandbox, error) &&
      decode_ports (rest, self->sandbox, error) && teesql_cursor_expect_end (rest, error))
    return g_steal_pointer (&self);
  return NULL;
}

/* ---- socket ---- */

typedef union
{
  char bytes[CMSG_SPACE (2 * sizeof (int))];
  struct cmsghdr align;
} Control;

gboolean
teesql_storage_hello_send (const TeesqlStorageHello *self, int socket, int module, int arena, GError **error)
{
  guint8 *frame = teesql_locked_alloc (TEESQL_STORAGE_FRAME_MAX, error);
  TeesqlStorageWriter writer = { .data = frame, .capacity = TEESQL_STORAGE_FRAME_MAX };
  struct iovec part = { .iov_base = frame };
  Control control = { 0 };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  const int fds[] = { module, arena };
  struct cmsghdr *rights = CMSG_FIRSTHDR (&header);
  gboolean sent = FALSE;

  if (frame == NULL)
    return FALSE;
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN (sizeof fds);
  memcpy (CMSG_DATA (rights), fds, sizeof fds);
  if (teesql_storage_hello_encode (self, &writer, error))
    {
      part.iov_len = writer.size;
      sent = sendmsg (socket, &header, MSG_NOSIGNAL) == (gssize) writer.size ||
             fail (error, "greeting the storage host: %s", g_strerror (errno));
    }
  teesql_locked_free (frame, TEESQL_STORAGE_FRAME_MAX);
  return sent;
}

static gboolean
take_rights (struct msghdr *header, int out_fds[2])
{
  struct cmsghdr *rights = CMSG_FIRSTHDR (header);

  if (rights == NULL || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS ||
      rights->cmsg_len != CMSG_LEN (2 * sizeof (int)) || (header->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return FALSE;
  memcpy (out_fds, CMSG_DATA (rights), 2 * sizeof (int));
  return TRUE;
}

static TeesqlStorageHello *
receive_into (int socket, guint8 *frame, int out_fds[2], GError **error)
{
  struct iovec part = { .iov_base = frame, .iov_len = TEESQL_STORAGE_FRAME_MAX };
  Control control = { 0 };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  TeesqlStorageMessage message;
  gssize n = 0;

  do
    n = recvmsg (socket, &header, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    fail (error, "waiting to be greeted: %s", n < 0 ? g_strerror (errno) : "nobody is there");
  else if (!take_rights (&header, out_fds))
    fail (error, "the greeting came without the two descriptors that belong to it");
  else if (teesql_storage_message_decode (&message, FALSE, frame, (gsize) n, error))
    {
      if (message.type == TEESQL_STORAGE_HELLO)
        return teesql_storage_hello_decode (&message.rest, error);
      fail (error, "the first message is of type %u, expected a greeting", message.type);
    }
  return NULL;
}

TeesqlStorageHello *
teesql_storage_hello_receive (int socket, int out_fds[2], GError **error)
{
  guint8 *frame = teesql_locked_alloc (TEESQL_STORAGE_FRAME_MAX, error);
  TeesqlStorageHello *self = NULL;

  if (frame == NULL)
    return NULL;
  self = receive_into (socket, frame, out_fds, error);
  teesql_locked_free (frame, TEESQL_STORAGE_FRAME_MAX);
  return self;
}
