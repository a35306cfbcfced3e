#include "base/teesql-log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define MESSAGE_MAX    ((gsize) 16384) /* a message is for a reader; what is longer was not written by us */

typedef struct
{
  const char *word;
  int priority; /* of syslog(3) */
} LevelName;

static const LevelName level_names[] = {
  [TEESQL_LOG_ERROR] = { "error", 3 },
  [TEESQL_LOG_WARNING] = { "warning", 4 },
  [TEESQL_LOG_INFO] = { "info", 6 },
  [TEESQL_LOG_DEBUG] = { "debug", 7 },
};

static struct
{
  GMutex lock;
  char *program;
  char *taint;
  TeesqlLogFormat format;
  int journal_fd;
} state = { .format = TEESQL_LOG_FORMAT_TEXT, .journal_fd = -1 };

static int current_level = TEESQL_LOG_INFO;

/* One message on its way; strings are as given, not yet escaped. */
typedef struct
{
  TeesqlLogLevel level;
  const char *area;
  const char *message;
  const char *connection;
  const char *peer;
  const char *phase;
  const char *taint;
  gint64 now_us;
} Record;

/* `name = value` pairs that follow the message, in each format's own spelling. */
typedef struct
{
  const char *name;
  const char *value;
} Pair;

#define N_PAIRS 4

static void
record_get_pairs (const Record *record, Pair out_pairs[N_PAIRS])
{
  out_pairs[0] = (Pair){ "connection", record->connection };
  out_pairs[1] = (Pair){ "peer", record->peer };
  out_pairs[2] = (Pair){ "phase", record->phase };
  out_pairs[3] = (Pair){ "taint", record->taint };
}

/* Control and format characters rewrite what a terminal or a reader sees; the two separators are line ends to some readers. */
static gboolean
is_printable (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return g_unichar_isprint (c) && type != G_UNICODE_LINE_SEPARATOR && type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

typedef void (*EscapeFunc) (GString *out, gunichar c);

static void
escape_for_text (GString *out, gunichar c)
{
  if (c == '\n')
    g_string_append (out, "\\n");
  else if (c == '\t')
    g_string_append (out, "\\t");
  else if (c < 0x80)
    g_string_append_printf (out, "\\x%02x", c);
  else
    g_string_append_printf (out, "\\u{%x}", c);
}

static void
escape_for_json (GString *out, gunichar c)
{
  if (c == '"' || c == '\\')
    g_string_append_printf (out, "\\%c", (char) c);
  else if (c == '\n')
    g_string_append (out, "\\n");
  else if (c < 0x10000)
    g_string_append_printf (out, "\\u%04x", c);
  else
    g_string_append_printf (out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
}

/* Returns: how many bytes from @p on are plain ASCII that needs no escape: nearly all of a usual line. */
static gsize
count_plain (const char *p, const char *end, const char *also)
{
  const char *start = p;

  while (p < end && *p >= 0x20 && *p < 0x7f && (also[0] == '\0' || strchr (also, *p) == NULL))
    p++;
  return (gsize) (p - start);
}

/* Printable UTF-8 without @also passes; the rest goes through @escape. Bytes that are no UTF-8 are shown as \xNN, @lead being the
 * backslash in the format's spelling. */
static void
append_escaped (GString *out, const char *text, const char *also, const char *lead, EscapeFunc escape)
{
  const char *end = text + strnlen (text, MESSAGE_MAX);
  const char *p = text;

  while (p < end)
    {
      gsize plain = count_plain (p, end, also);
      gunichar c;

      g_string_append_len (out, p, (gssize) plain);
      p += plain;
      if (p == end)
        break;
      c = g_utf8_get_char_validated (p, end - p);
      if (c == (gunichar) -1 || c == (gunichar) -2)
        {
          g_string_append_printf (out, "%sx%02x", lead, (guint8) *p++);
          continue;
        }
      if (is_printable (c) && (c >= 0x80 || strchr (also, (int) c) == NULL))
        g_string_append_unichar (out, c);
      else
        escape (out, c);
      p = g_utf8_next_char (p);
    }
  if (*end != '\0')
    g_string_append (out, "...");
}

static void
append_time (GString *out, gint64 now_us)
{
  time_t seconds = (time_t) (now_us / G_USEC_PER_SEC);
  struct tm utc;

  if (gmtime_r (&seconds, &utc) != NULL)
    g_string_append_printf (out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                            utc.tm_min, utc.tm_sec, (int) (now_us / 1000 % 1000));
}

/* The backslash passes: doubling it would hide that a message we wrote already holds escaped bytes. */
static void
append_text (GString *out, const char *text)
{
  append_escaped (out, text, "", "\\", escape_for_text);
}

/* A hint is a line of its own in an error message and stays on the line here. */
static void
append_message (GString *out, const char *message)
{
  const char *hint = strstr (message, "\nhint: ");
  g_autofree char *first = hint != NULL ? g_strndup (message, (gsize) (hint - message)) : NULL;

  append_text (out, first != NULL ? first : message);
  if (hint != NULL)
    {
      g_string_append (out, " (");
      append_text (out, hint + 1);
      g_string_append_c (out, ')');
    }
}

static void
append_quoted (GString *out, const char *value)
{
  g_string_append_c (out, '"');
  append_escaped (out, value, "\"\\", "\\", escape_for_text);
  g_string_append_c (out, '"');
}

static GString *
format_text (const Record *record)
{
  GString *out = g_string_new (NULL);
  Pair pairs[N_PAIRS];

  append_time (out, record->now_us);
  g_string_append_printf (out, " %s[%d] %s ", state.program != NULL ? state.program : "teesql", (int) getpid (),
                          level_names[record->level].word);
  append_text (out, record->area);
  g_string_append (out, ": ");
  append_message (out, record->message);
  record_get_pairs (record, pairs);
  for (guint i = 0; i < N_PAIRS; i++)
    {
      if (pairs[i].value == NULL)
        continue;
      g_string_append_printf (out, " %s=", pairs[i].name);
      append_quoted (out, pairs[i].value);
    }
  return g_string_append_c (out, '\n');
}

static void
append_json_member (GString *out, const char *name, const char *value)
{
  if (value == NULL)
    return;
  g_string_append_printf (out, ",\"%s\":\"", name);
  append_escaped (out, value, "\"\\", "\\\\", escape_for_json);
  g_string_append_c (out, '"');
}

static GString *
format_json (const Record *record)
{
  GString *out = g_string_new ("{\"schema\":1,\"time\":\"");
  Pair pairs[N_PAIRS];

  append_time (out, record->now_us);
  g_string_append_printf (out, "\",\"pid\":%d", (int) getpid ());
  append_json_member (out, "program", state.program != NULL ? state.program : "teesql");
  append_json_member (out, "level", level_names[record->level].word);
  append_json_member (out, "area", record->area);
  append_json_member (out, "message", record->message);
  record_get_pairs (record, pairs);
  for (guint i = 0; i < N_PAIRS; i++)
    append_json_member (out, pairs[i].name, pairs[i].value);
  return g_string_append (out, "}\n");
}

/* Every field goes out in the length-prefixed form, so no byte of a value can begin another field. */
static void
append_journal_field (GString *out, const char *name, const char *value)
{
  g_autoptr (GString) escaped = g_string_new (NULL);
  guint64 size = 0;

  if (value == NULL)
    return;
  append_message (escaped, value);
  size = GUINT64_TO_LE ((guint64) escaped->len);
  g_string_append_printf (out, "%s\n", name);
  g_string_append_len (out, (const char *) &size, sizeof size);
  g_string_append_len (out, escaped->str, (gssize) escaped->len);
  g_string_append_c (out, '\n');
}

static GString *
format_journal (const Record *record)
{
  GString *out = g_string_new (NULL);

  append_journal_field (out, "MESSAGE", record->message);
  g_string_append_printf (out, "PRIORITY=%d\n", level_names[record->level].priority);
  append_journal_field (out, "SYSLOG_IDENTIFIER", state.program != NULL ? state.program : "teesql");
  append_journal_field (out, "TEESQL_AREA", record->area);
  append_journal_field (out, "TEESQL_CONNECTION", record->connection);
  append_journal_field (out, "TEESQL_PEER", record->peer);
  append_journal_field (out, "TEESQL_PHASE", record->phase);
  append_journal_field (out, "TEESQL_TAINT", record->taint);
  return out;
}

static void
write_line (const GString *line)
{
  const char *data = line->str;
  gsize size = line->len;

  while (size > 0)
    {
      ssize_t n = write (STDERR_FILENO, data, size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return; /* nowhere to complain */
      data += n;
      size -= (gsize) n;
    }
}

/* What is too large for a datagram goes as a sealed file (systemd, "Native Journal Protocol"). */
static gboolean
send_as_file (int fd, const GString *entry)
{
  union
  {
    struct cmsghdr header;
    guint8 space[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof control };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);
  int memfd = memfd_create ("teesql-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gboolean sent = FALSE;

  if (memfd < 0)
    return FALSE;
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (header), &memfd, sizeof memfd);
  if (write (memfd, entry->str, entry->len) == (ssize_t) entry->len &&
      fcntl (memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
    sent = sendmsg (fd, &message, MSG_NOSIGNAL) >= 0;
  close (memfd);
  return sent;
}

static gboolean
send_to_journal (const GString *entry)
{
  if (state.journal_fd < 0)
    return FALSE;
  if (send (state.journal_fd, entry->str, entry->len, MSG_NOSIGNAL) >= 0)
    return TRUE;
  return (errno == EMSGSIZE || errno == ENOBUFS) && send_as_file (state.journal_fd, entry);
}

static void
emit (const Record *record)
{
  g_autoptr (GString) line = NULL;

  if (state.format == TEESQL_LOG_FORMAT_JOURNAL)
    {
      g_autoptr (GString) entry = format_journal (record);

      if (send_to_journal (entry))
        return;
    }
  line = state.format == TEESQL_LOG_FORMAT_JSON ? format_json (record) : format_text (record);
  if (state.format == TEESQL_LOG_FORMAT_JOURNAL) /* journald reads the level from such a prefix, sd-daemon(3) */
    {
      g_autofree char *prefix = g_strdup_printf ("<%d>", level_names[record->level].priority);

      g_string_prepend (line, prefix);
    }
  write_line (line);
}

/* $JOURNAL_STREAM names device and inode of the stream that systemd made; stderr may since have been sent elsewhere. */
static gboolean
stderr_is_journal (void)
{
  const char *stream = g_getenv ("JOURNAL_STREAM");
  g_autofree char *actual = NULL;
  struct stat info = { 0 };

  if (stream == NULL || fstat (STDERR_FILENO, &info) < 0)
    return FALSE;
  actual = g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64) info.st_dev, (guint64) info.st_ino);
  return strcmp (stream, actual) == 0;
}

static int
connect_journal (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = -1;

  if (strlen (path) >= sizeof address.sun_path)
    return -1;
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (const struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

static TeesqlLogLevel
level_from_glib (GLogLevelFlags flags)
{
  if ((flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
    return TEESQL_LOG_ERROR;
  if ((flags & G_LOG_LEVEL_WARNING) != 0)
    return TEESQL_LOG_WARNING;
  return (flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO)) != 0 ? TEESQL_LOG_INFO : TEESQL_LOG_DEBUG;
}

static const char *
find_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    {
      if (strcmp (fields[i].key, key) == 0 && fields[i].length < 0)
        return fields[i].value;
    }
  return NULL;
}

/* Libraries complain through GLib's log: their lines must carry the same shape and the same escaping as ours. */
static GLogWriterOutput
write_glib_record (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *domain = find_field (fields, n_fields, "GLIB_DOMAIN");
  const char *message = find_field (fields, n_fields, "MESSAGE");

  teesql_log (level_from_glib (flags), NULL, domain != NULL ? domain : "glib", "%s", message != NULL ? message : "(no message)");
  return G_LOG_WRITER_HANDLED;
}

void
teesql_log_setup (const char *program, TeesqlLogLevel level, TeesqlLogFormat format)
{
  static gsize writer_set = 0;

  g_return_if_fail (program != NULL);

  g_mutex_lock (&state.lock);
  g_free (state.program);
  state.program = g_strdup (program);
  if (format == TEESQL_LOG_FORMAT_AUTO)
    format = stderr_is_journal () ? TEESQL_LOG_FORMAT_JOURNAL : TEESQL_LOG_FORMAT_TEXT;
  if (format == TEESQL_LOG_FORMAT_JOURNAL && state.journal_fd < 0)
    state.journal_fd = connect_journal (JOURNAL_SOCKET);
  state.format = format;
  g_mutex_unlock (&state.lock);
  teesql_log_set_level (level);
  if (g_once_init_enter (&writer_set))
    {
      g_log_set_writer_func (write_glib_record, NULL, NULL);
      g_once_init_leave (&writer_set, 1);
    }
}

gboolean
teesql_log_use_journal_socket (const char *path)
{
  gboolean connected = FALSE;

  g_return_val_if_fail (path != NULL, FALSE);

  g_mutex_lock (&state.lock);
  if (state.journal_fd >= 0)
    close (state.journal_fd);
  state.journal_fd = connect_journal (path);
  connected = state.journal_fd >= 0;
  g_mutex_unlock (&state.lock);
  return connected;
}

void
teesql_log_set_level (TeesqlLogLevel level)
{
  g_atomic_int_set (&current_level, (int) level);
}

gboolean
teesql_log_is_enabled (TeesqlLogLevel level)
{
  return (int) level <= g_atomic_int_get (&current_level);
}

void
teesql_log_set_taint (const char *taint)
{
  g_mutex_lock (&state.lock);
  g_free (state.taint);
  state.taint = g_strdup (taint);
  g_mutex_unlock (&state.lock);
}

void
teesql_log (TeesqlLogLevel level, const TeesqlLogContext *context, const char *area, const char *format, ...)
{
  g_autofree char *message = NULL;
  Record record = { .level = level, .area = area, .now_us = g_get_real_time () };
  int saved_errno = errno;
  va_list args;

  if (!teesql_log_is_enabled (level))
    return;
  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  record.message = message;
  if (context != NULL)
    {
      record.connection = context->connection;
      record.peer = context->peer;
      record.phase = context->phase;
    }
  g_mutex_lock (&state.lock);
  record.taint = state.taint;
  emit (&record);
  g_mutex_unlock (&state.lock);
  errno = saved_errno;
}
