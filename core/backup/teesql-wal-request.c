#include "backup/teesql-wal-request.h"

#include "base/teesql-domains.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define SEGMENT_DIGITS  24
#define TIMELINE_DIGITS 8

#define malformed(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, reason, __VA_ARGS__)

/* ---- names ---- */

static gboolean
is_upper_hex (const char *text, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isdigit (text[i]) && !(text[i] >= 'A' && text[i] <= 'F'))
      return FALSE;
  return TRUE;
}

gboolean
teesql_wal_name_parse (const char *name, TeesqlWalNameKind *out_kind, guint32 *out_timeline)
{
  gsize size = strnlen (name, SEGMENT_DIGITS + 1);
  gboolean is_history = size == TIMELINE_DIGITS + strlen (".history") && g_str_has_suffix (name, ".history");
  guint32 timeline = 0;

  if (!is_upper_hex (name, MIN (size, is_history ? TIMELINE_DIGITS : SEGMENT_DIGITS)) || (!is_history && size != SEGMENT_DIGITS))
    return FALSE;
  for (gsize i = 0; i < TIMELINE_DIGITS; i++)
    timeline = timeline << 4 | (guint32) g_ascii_xdigit_value (name[i]);
  if (timeline == 0)
    return FALSE;
  *out_kind = is_history ? TEESQL_WAL_NAME_HISTORY : TEESQL_WAL_NAME_SEGMENT;
  *out_timeline = timeline;
  return TRUE;
}

/* ---- lines ---- */

/* @line without its line feed as text, or NULL where it has a NUL, no line feed, or two */
static char *
dup_line (const guint8 *line, gsize size)
{
  if (size == 0 || line[size - 1] != '\n' || memchr (line, '\n', size - 1) != NULL || memchr (line, '\0', size) != NULL)
    return NULL;
  return g_strndup ((const char *) line, size - 1);
}

gboolean
teesql_wal_request_parse (const guint8 *line, gsize size, char **out_name, GError **error)
{
  g_autofree char *text = size <= TEESQL_WAL_REQUEST_MAX ? dup_line (line, size) : NULL;
  TeesqlWalNameKind kind;
  guint32 timeline = 0;

  if (text == NULL || !g_str_has_prefix (text, "get ") || !teesql_wal_name_parse (text + strlen ("get "), &kind, &timeline))
    return malformed (error, "wal-request", "a request that is not `get` and the name of a WAL segment or history file");
  *out_name = g_strdup (text + strlen ("get "));
  return TRUE;
}

static const char *const words[] = { "ok", "none", "again", "fatal" };

char *
teesql_wal_answer_format (TeesqlWalAnswerKind kind, guint64 size, const char *text)
{
  g_autofree char *clean = NULL;

  if (kind == TEESQL_WAL_ANSWER_OK)
    return g_strdup_printf ("ok %" G_GUINT64_FORMAT "\n", size);
  clean = g_strndup (text != NULL ? text : "", TEESQL_WAL_ANSWER_MAX - 16);
  for (char *at = clean; *at != '\0'; at++)
    if ((guchar) *at < 0x20 || *at == 0x7f)
      *at = ' ';
  return g_strdup_printf ("%s %s\n", words[kind], clean);
}

static gboolean
find_word (const char *text, TeesqlWalAnswerKind *out_kind, const char **out_rest)
{
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      gsize size = strlen (words[i]);

      if (strncmp (text, words[i], size) == 0 && text[size] == ' ')
        {
          *out_kind = (TeesqlWalAnswerKind) i;
          *out_rest = text + size + 1;
          return TRUE;
        }
    }
  return FALSE;
}

gboolean
teesql_wal_answer_parse (const guint8 *line, gsize size, TeesqlWalAnswerKind *out_kind, guint64 *out_size, char **out_text, GError **error)
{
  g_autofree char *text = size <= TEESQL_WAL_ANSWER_MAX ? dup_line (line, size) : NULL;
  const char *rest = NULL;
  TeesqlWalAnswerKind kind = TEESQL_WAL_ANSWER_FATAL;
  guint64 content = 0;

  if (text == NULL || !find_word (text, &kind, &rest) ||
      (kind == TEESQL_WAL_ANSWER_OK && !g_ascii_string_to_unsigned (rest, 10, 0, TEESQL_WAL_CONTENT_MAX, &content, NULL)))
    return malformed (error, "wal-answer", "an answer that is none");
  *out_kind = kind;
  *out_size = content;
  *out_text = g_strdup (kind == TEESQL_WAL_ANSWER_OK ? "" : rest);
  return TRUE;
}

/* ---- sockets ---- */

static gboolean
wait_ready (int fd, short events, gint64 deadline_us, GCancellable *cancellable, GError **error)
{
  struct pollfd fds[2] = { { fd, events, 0 }, { -1, POLLIN, 0 } };
  gint64 left_us = deadline_us - g_get_monotonic_time ();
  int n = 0;

  fds[1].fd = g_cancellable_get_fd (cancellable); /* -1 without one, which poll () leaves out */
  n = left_us > 0 ? poll (fds, G_N_ELEMENTS (fds), (int) MIN (left_us / 1000 + 1, G_MAXINT)) : 0;
  if (fds[1].fd >= 0)
    g_cancellable_release_fd (cancellable);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (n < 0 && errno != EINTR)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "waiting: %s", g_strerror (errno));
      return FALSE;
    }
  if (g_get_monotonic_time () >= deadline_us)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the other side did not answer in time");
      return FALSE;
    }
  return TRUE;
}

/* Returns: bytes, 0 at the end, -1 with @error */
static gssize
read_some (int fd, guint8 *out, gsize size, int flags, gint64 deadline_us, GCancellable *cancellable, GError **error)
{
  for (;;)
    {
      gssize n = recv (fd, out, size, flags | MSG_DONTWAIT);

      if (n >= 0)
        return n;
      if (errno != EAGAIN && errno != EINTR)
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "reading: %s", g_strerror (errno));
          return -1;
        }
      if (!wait_ready (fd, POLLIN, deadline_us, cancellable, error))
        return -1;
    }
}

static gboolean
fail_closed (GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the other side closed the connection");
  return FALSE;
}

/* Peeks first, so that no byte behind the line feed is taken. */
gboolean
teesql_wal_socket_read_line (int fd, guint8 *out, gsize max, gsize *out_size, gint64 deadline_us, GCancellable *cancellable, GError **error)
{
  gsize used = 0;

  while (used < max)
    {
      gssize n = read_some (fd, out + used, max - used, MSG_PEEK, deadline_us, cancellable, error);
      const guint8 *end = n > 0 ? memchr (out + used, '\n', (gsize) n) : NULL;

      if (n <= 0)
        return n == 0 ? fail_closed (error) : FALSE;
      n = end != NULL ? end - (out + used) + 1 : n;
      if (!teesql_wal_socket_read (fd, out + used, (gsize) n, deadline_us, cancellable, error))
        return FALSE;
      used += (gsize) n;
      if (end != NULL)
        {
          *out_size = used;
          return TRUE;
        }
    }
  return malformed (error, "wal-line", "a line of more than %" G_GSIZE_FORMAT " bytes", max);
}

gboolean
teesql_wal_socket_read (int fd, guint8 *out, gsize size, gint64 deadline_us, GCancellable *cancellable, GError **error)
{
  while (size > 0)
    {
      gssize n = read_some (fd, out, size, 0, deadline_us, cancellable, error);

      if (n <= 0)
        return n == 0 ? fail_closed (error) : FALSE;
      out += n;
      size -= (gsize) n;
    }
  return TRUE;
}

gboolean
teesql_wal_socket_write (int fd, const guint8 *data, gsize size, gint64 deadline_us, GCancellable *cancellable, GError **error)
{
  while (size > 0)
    {
      gssize n = send (fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

      if (n < 0 && errno != EAGAIN && errno != EINTR)
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "writing: %s", g_strerror (errno));
          return FALSE;
        }
      if (n < 0 && !wait_ready (fd, POLLOUT, deadline_us, cancellable, error))
        return FALSE;
      data += MAX (n, 0);
      size -= (gsize) MAX (n, 0);
    }
  return TRUE;
}
