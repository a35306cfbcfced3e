#include "backup/teesql-wal-fetch.h"

#include "backup/teesql-wal-request.h"
#include "base/teesql-domains.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_RETRY_MS 250
#define ANSWER_TIMEOUT_S 900 /* the store's own retries end long before */

typedef enum
{
  TRY_DONE,
  TRY_NONE,
  TRY_AGAIN,
  TRY_FATAL,
} Try;

static int
dial (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = -1;

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is too long for a socket", path);
      return -1;
    }
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (const struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "%s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return -1;
}

/* ---- the file ---- */

static gboolean
fail_file (GError **error, const char *path)
{
  g_set_error (error, G_FILE_ERROR, (int) g_file_error_from_errno (errno), "%s: %s", path, g_strerror (errno));
  return FALSE;
}

static gboolean
copy_content (int from, int to, guint64 size, gint64 deadline_us, const char *path, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (256 * 1024);

  while (size > 0)
    {
      gsize n = (gsize) MIN (size, 256 * 1024);

      if (!teesql_wal_socket_read (from, buffer, n, deadline_us, NULL, error))
        return FALSE;
      for (gsize done = 0; done < n;)
        {
          gssize written = write (to, buffer + done, n - done);

          if (written < 0 && errno != EINTR)
            return fail_file (error, path);
          done += (gsize) MAX (written, 0);
        }
      size -= n;
    }
  return TRUE;
}

/* PostgreSQL may be killed while we write: it never finds a part of a segment under the name it gave. */
static gboolean
receive_file (int from, const char *destination, guint64 size, gint64 deadline_us, GError **error)
{
  g_autofree char *fresh = g_strdup_printf ("%s.%d.teesql", destination, (int) getpid ());
  int to = g_open (fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  gboolean ok = FALSE;

  if (to < 0)
    return fail_file (error, fresh);
  ok = copy_content (from, to, size, deadline_us, fresh, error) && (fsync (to) == 0 || fail_file (error, fresh));
  if (close (to) != 0 && ok)
    ok = fail_file (error, fresh);
  if (ok && g_rename (fresh, destination) != 0)
    ok = fail_file (error, destination);
  if (!ok)
    g_unlink (fresh);
  return ok;
}

/* ---- one attempt ---- */

static Try
judge_failure (const GError *error)
{
  if (error->domain == G_FILE_ERROR || error->domain == TEESQL_BACKUP_ERROR ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
    return TRY_FATAL;
  return TRY_AGAIN;
}

static gboolean
ask (int fd, const TeesqlWalFetchOptions *options, gint64 deadline_us, TeesqlWalAnswerKind *out_kind, char **out_text, GError **error)
{
  g_autofree char *request = g_strdup_printf ("get %s\n", options->file);
  guint8 line[TEESQL_WAL_ANSWER_MAX];
  gsize line_size = 0;
  guint64 size = 0;

  return teesql_wal_socket_write (fd, (const guint8 *) request, strlen (request), deadline_us, NULL, error) &&
         teesql_wal_socket_read_line (fd, line, sizeof line, &line_size, deadline_us, NULL, error) &&
         teesql_wal_answer_parse (line, line_size, out_kind, &size, out_text, error) &&
         (*out_kind != TEESQL_WAL_ANSWER_OK || receive_file (fd, options->destination, size, deadline_us, error));
}

static Try
try_once (const TeesqlWalFetchOptions *options, char **out_text)
{
  static const Try meaning[] = { TRY_DONE, TRY_NONE, TRY_AGAIN, TRY_FATAL };
  g_autoptr (GError) error = NULL;
  TeesqlWalAnswerKind kind = TEESQL_WAL_ANSWER_FATAL;
  int fd = dial (options->socket, &error);
  gboolean answered = fd >= 0 && ask (fd, options, g_get_monotonic_time () + ANSWER_TIMEOUT_S * G_USEC_PER_SEC, &kind, out_text, &error);

  if (fd >= 0)
    close (fd);
  if (answered)
    return meaning[kind];
  g_free (*out_text);
  *out_text = g_strdup (error->message);
  return judge_failure (error);
}

int
teesql_wal_fetch_run (const TeesqlWalFetchOptions *options)
{
  gint64 deadline_us = g_get_monotonic_time () + (gint64) options->wait_s * G_USEC_PER_SEC;
  TeesqlWalNameKind kind;
  guint32 timeline = 0;

  if (!teesql_wal_name_parse (options->file, &kind, &timeline))
    {
      g_printerr ("teesql-wal-fetch: %s is not the name of a WAL segment or history file: not archived\n", options->file);
      return TEESQL_WAL_FETCH_NOT_ARCHIVED;
    }
  for (;;)
    {
      g_autofree char *text = NULL;
      Try outcome = try_once (options, &text);

      if (outcome == TRY_DONE)
        return TEESQL_WAL_FETCH_OK;
      if (outcome == TRY_NONE)
        return TEESQL_WAL_FETCH_NOT_ARCHIVED;
      if (outcome == TRY_FATAL || g_get_monotonic_time () >= deadline_us)
        {
          g_printerr ("teesql-wal-fetch: %s: %s\nteesql-wal-fetch: recovery must not go on without it\n", options->file, text);
          return TEESQL_WAL_FETCH_FATAL;
        }
      g_usleep (CONNECT_RETRY_MS * 1000);
    }
}
