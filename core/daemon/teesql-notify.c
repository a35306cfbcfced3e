#include "daemon/teesql-notify.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

gboolean
teesql_notify_send (const char *address, const char *message)
{
  g_autoptr (GSocketAddress) to = NULL;
  g_autoptr (GSocket) socket = NULL;

  if (address == NULL || (address[0] != '/' && address[0] != '@') || strlen (address) > 107)
    return FALSE;
  if (address[0] == '@')
    to = g_unix_socket_address_new_with_type (address + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
  else
    to = g_unix_socket_address_new (address);
  socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  if (socket == NULL)
    return FALSE;
  g_socket_set_blocking (socket, FALSE);
  return g_socket_send_to (socket, to, message, strlen (message), NULL, NULL) == (gssize) strlen (message);
}

static void
notify (const char *message)
{
  (void) teesql_notify_send (g_getenv ("NOTIFY_SOCKET"), message);
}

void
teesql_notify_ready (void)
{
  notify ("READY=1");
}

/* The manager waits for READY=1 after this, and tells the two apart by the time. */
void
teesql_notify_reloading (void)
{
  struct timespec now = { 0 };
  g_autofree char *message = NULL;

  clock_gettime (CLOCK_MONOTONIC, &now);
  message = g_strdup_printf ("RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, (gint64) now.tv_sec * 1000000 + now.tv_nsec / 1000);
  notify (message);
}

void
teesql_notify_stopping (void)
{
  notify ("STOPPING=1");
}

void
teesql_notify_status (const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;
  g_autofree char *message = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_strdelimit (text, "\n", ' '); /* a line break would begin another assignment */
  message = g_strconcat ("STATUS=", text, NULL);
  notify (message);
}

static gboolean
feed_cb (gpointer data)
{
  notify ("WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

void
teesql_notify_start_watchdog (void)
{
  const char *usec = g_getenv ("WATCHDOG_USEC");
  const char *pid = g_getenv ("WATCHDOG_PID");
  guint64 interval = 0;
  guint64 meant = 0;

  if (usec == NULL || !g_ascii_string_to_unsigned (usec, 10, 10000, G_MAXUINT32 * (guint64) 1000, &interval, NULL))
    return;
  if (pid != NULL && (!g_ascii_string_to_unsigned (pid, 10, 1, G_MAXINT32, &meant, NULL) || meant != (guint64) getpid ()))
    return;
  g_timeout_add ((guint) (interval / 2000), feed_cb, NULL);
}
