#include "postgres/teesql-server-log.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE      4096
#define READS_A_TURN   16
#define LINES_A_SECOND 200

struct _TeesqlServerLog
{
  int fd;
  guint source_id;
  GString *line;
  gboolean too_long; /* the rest of this line is passed over */
  TeesqlLogLevel level;
  char *fatal;
  char *panic;
  gboolean full_disk;
  gint64 second; /* of the count below */
  guint n_lines;
  guint n_dropped;
};

/* elog.c, error_severity (); lc_messages is C */
typedef struct
{
  const char *word;
  TeesqlServerLine line;
  TeesqlLogLevel level;
} Severity;

static const Severity severities[] = {
  { "LOG:  ", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO },
  { "WARNING:  ", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_WARNING },
  { "ERROR:  ", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO },
  { "FATAL:  ", TEESQL_SERVER_LINE_FATAL, TEESQL_LOG_WARNING },
  { "PANIC:  ", TEESQL_SERVER_LINE_PANIC, TEESQL_LOG_ERROR },
  { "NOTICE:  ", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO },
  { "INFO:  ", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO },
  { "DEBUG:  ", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_DEBUG },
  { "DETAIL:  ", TEESQL_SERVER_LINE_MORE, TEESQL_LOG_INFO },
  { "HINT:  ", TEESQL_SERVER_LINE_MORE, TEESQL_LOG_INFO },
  { "STATEMENT:  ", TEESQL_SERVER_LINE_MORE, TEESQL_LOG_INFO },
  { "CONTEXT:  ", TEESQL_SERVER_LINE_MORE, TEESQL_LOG_INFO },
  { "QUERY:  ", TEESQL_SERVER_LINE_MORE, TEESQL_LOG_INFO },
  { "LOCATION:  ", TEESQL_SERVER_LINE_MORE, TEESQL_LOG_INFO },
  { "BACKTRACE:  ", TEESQL_SERVER_LINE_MORE, TEESQL_LOG_INFO },
  { "initdb: error: ", TEESQL_SERVER_LINE_FATAL, TEESQL_LOG_ERROR },
  { "postgres: could not ", TEESQL_SERVER_LINE_FATAL, TEESQL_LOG_ERROR },
};

/* `[4711] `, our log_line_prefix */
static const char *
skip_prefix (const char *line)
{
  const char *p = line + 1;

  if (line[0] != '[')
    return line;
  while (g_ascii_isdigit (*p))
    p++;
  return p > line + 1 && p[0] == ']' && p[1] == ' ' ? p + 2 : line;
}

TeesqlServerLine
teesql_server_log_classify (const char *line, TeesqlLogLevel *out_level, const char **out_text)
{
  const char *text = skip_prefix (line);

  *out_text = text;
  if (line[0] == '\t')
    return TEESQL_SERVER_LINE_MORE;
  for (guint i = 0; i < G_N_ELEMENTS (severities); i++)
    if (g_str_has_prefix (text, severities[i].word))
      {
        *out_text = text + strlen (severities[i].word);
        if (severities[i].line != TEESQL_SERVER_LINE_MORE)
          *out_level = severities[i].level;
        return severities[i].line;
      }
  *out_level = TEESQL_LOG_INFO;
  return TEESQL_SERVER_LINE_PLAIN;
}

/* A client that makes a mistake ten thousand times a second must not fill our log. */
static gboolean
may_print (TeesqlServerLog *self)
{
  gint64 second = g_get_monotonic_time () / G_USEC_PER_SEC;

  if (second != self->second && self->n_dropped > 0)
    teesql_log_warning ("postgres", "%u further lines of the server were left out", self->n_dropped);
  if (second != self->second)
    {
      self->second = second;
      self->n_lines = 0;
      self->n_dropped = 0;
    }
  if (++self->n_lines <= LINES_A_SECOND || self->level == TEESQL_LOG_ERROR)
    return TRUE;
  self->n_dropped++;
  return FALSE;
}

/* Our own question whether it answers yet, ten times a second, is no news, and no reason why a server ended. */
static gboolean
is_not_ready (const char *text)
{
  return g_str_equal (text, "the database system is starting up") ||
         g_str_equal (text, "the database system is not yet accepting connections");
}

static void
take_line (TeesqlServerLog *self)
{
  const char *text = NULL;

  if (self->line->len == 0)
    return;
  switch (teesql_server_log_classify (self->line->str, &self->level, &text))
    {
    case TEESQL_SERVER_LINE_FATAL:
      if (is_not_ready (text))
        return;
      g_free (self->fatal);
      self->fatal = g_strdup (text);
      break;
    case TEESQL_SERVER_LINE_PANIC:
      g_free (self->panic);
      self->panic = g_strdup (text);
      break;
    case TEESQL_SERVER_LINE_PLAIN:
    case TEESQL_SERVER_LINE_MORE:
    default:
      break;
    }
  if (strstr (self->line->str, "No space left on device") != NULL || strstr (self->line->str, "Disk quota exceeded") != NULL)
    self->full_disk = TRUE;
  if (may_print (self))
    teesql_log (self->level, NULL, "postgres", "%s%s", self->line->str, self->too_long ? "…" : "");
}

static void
take_bytes (TeesqlServerLog *self, const char *bytes, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (bytes[i] == '\n')
      {
        take_line (self);
        g_string_truncate (self->line, 0);
        self->too_long = FALSE;
      }
    else if (self->line->len < TEESQL_SERVER_LOG_MAX_LINE && bytes[i] != '\0')
      g_string_append_c (self->line, bytes[i]);
    else
      self->too_long = TRUE;
}

/* Returns: FALSE at the end: nobody has the other end any more */
static gboolean
read_some (TeesqlServerLog *self)
{
  char buffer[READ_SIZE];

  for (guint i = 0; i < READS_A_TURN; i++)
    {
      gssize n = read (self->fd, buffer, sizeof buffer);

      if (n == 0)
        return FALSE;
      if (n < 0)
        return TRUE; /* nothing more for now */
      take_bytes (self, buffer, (gsize) n);
    }
  return TRUE;
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer data)
{
  TeesqlServerLog *self = data;

  if (read_some (self))
    return G_SOURCE_CONTINUE;
  self->source_id = 0;
  return G_SOURCE_REMOVE;
}

TeesqlServerLog *
teesql_server_log_new (int fd)
{
  TeesqlServerLog *self = g_new0 (TeesqlServerLog, 1);

  self->fd = fd;
  self->level = TEESQL_LOG_INFO;
  self->line = g_string_new (NULL);
  self->source_id = g_unix_fd_add (fd, G_IO_IN | G_IO_HUP, readable_cb, self);
  return self;
}

void
teesql_server_log_free (TeesqlServerLog *self)
{
  g_clear_handle_id (&self->source_id, g_source_remove);
  close (self->fd);
  g_string_free (self->line, TRUE);
  g_free (self->fatal);
  g_free (self->panic);
  g_free (self);
}

void
teesql_server_log_forget (TeesqlServerLog *self)
{
  g_clear_pointer (&self->fatal, g_free);
  g_clear_pointer (&self->panic, g_free);
  self->full_disk = FALSE;
}

const char *
teesql_server_log_get_problem (TeesqlServerLog *self)
{
  (void) read_some (self);
  return self->panic != NULL ? self->panic : self->fatal;
}

gboolean
teesql_server_log_saw_full_disk (TeesqlServerLog *self)
{
  (void) read_some (self);
  return self->full_disk;
}
