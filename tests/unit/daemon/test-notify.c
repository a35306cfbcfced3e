#include "daemon/teesql-notify.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  char *folder;
  char *path;
  GSocket *socket;
} Manager;

static void
set_up (Manager *manager, gconstpointer data)
{
  g_autoptr (GSocketAddress) address = NULL;

  manager->folder = g_dir_make_tmp ("teesql-notify-XXXXXX", NULL);
  manager->path = g_build_filename (manager->folder, "s", NULL);
  manager->socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
  address = g_unix_socket_address_new (manager->path);
  g_assert_true (g_socket_bind (manager->socket, address, FALSE, NULL));
  g_socket_set_blocking (manager->socket, FALSE);
  g_setenv ("NOTIFY_SOCKET", manager->path, TRUE);
}

static void
tear_down (Manager *manager, gconstpointer data)
{
  g_unsetenv ("NOTIFY_SOCKET");
  g_object_unref (manager->socket);
  g_remove (manager->path);
  g_rmdir (manager->folder);
  g_free (manager->path);
  g_free (manager->folder);
}

static char *
receive (Manager *manager)
{
  char buffer[512];
  gssize n = g_socket_receive (manager->socket, buffer, sizeof buffer - 1, NULL, NULL);

  return n >= 0 ? g_strndup (buffer, (gsize) n) : NULL;
}

static void
assert_received (Manager *manager, const char *expected)
{
  g_autofree char *message = receive (manager);

  g_assert_cmpstr (message, ==, expected);
}

static void
test_states (Manager *manager, gconstpointer data)
{
  g_autofree char *reloading = NULL;

  teesql_notify_ready ();
  assert_received (manager, "READY=1");
  teesql_notify_stopping ();
  assert_received (manager, "STOPPING=1");
  teesql_notify_reloading ();
  reloading = receive (manager);
  g_assert_true (g_str_has_prefix (reloading, "RELOADING=1\nMONOTONIC_USEC="));
}

static void
test_one_line (Manager *manager, gconstpointer data)
{
  teesql_notify_status ("waiting: %s", "a\nREADY=1");
  assert_received (manager, "STATUS=waiting: a READY=1");
}

static void
test_nobody (Manager *manager, gconstpointer data)
{
  g_autofree char *nothing = NULL;

  g_unsetenv ("NOTIFY_SOCKET");
  teesql_notify_ready ();
  nothing = receive (manager);
  g_assert_null (nothing);
  g_assert_false (teesql_notify_send ("relative", "READY=1"));
  g_assert_false (teesql_notify_send ("", "READY=1"));
}

#define ADD(path, test) g_test_add (path, Manager, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/daemon/notify/tells-its-states", test_states);
  ADD ("/daemon/notify/a-status-is-one-line", test_one_line);
  ADD ("/daemon/notify/without-a-manager-nothing-is-sent", test_nobody);
  return g_test_run ();
}
