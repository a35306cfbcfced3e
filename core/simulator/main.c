#include "base/teesql-environment.h"
#include "base/teesql-locked-memory.h"
#include "base/teesql-log.h"
#include "simulator/teesql-sim-options.h"
#include "simulator/teesql-simulator.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <gnutls/crypto.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_REFUSED 1
#define EXIT_USAGE   2

static int
complain (int code, const char *text)
{
  g_printerr ("teesql-simulator: %s\n", text);
  return code;
}

/* --- init DIR */

static gboolean
write_all (int fd, const char *data, gsize size)
{
  while (size > 0)
    {
      gssize n = write (fd, data, size);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          data += n;
          size -= (gsize) n;
        }
    }
  return fsync (fd) == 0;
}

static gboolean
write_seed (int fd)
{
  static const char digits[] = "0123456789abcdef";
  guint8 seed[32];
  char text[65];
  gboolean good = gnutls_rnd (GNUTLS_RND_KEY, seed, sizeof seed) == 0;

  for (guint i = 0; i < sizeof seed; i++)
    {
      text[2 * i] = digits[seed[i] >> 4];
      text[2 * i + 1] = digits[seed[i] & 0x0f];
    }
  text[64] = '\n';
  good = good && write_all (fd, text, sizeof text);
  teesql_wipe (seed, sizeof seed);
  teesql_wipe (text, sizeof text);
  return good;
}

static int
run_init (const char *directory)
{
  g_autofree char *path = g_build_filename (directory, "seed", NULL);
  g_autofree char *message = NULL;
  int fd;
  gboolean good;

  if (mkdir (directory, 0700) != 0 && errno != EEXIST)
    {
      message = g_strdup_printf ("%s: %s", directory, g_strerror (errno));
      return complain (EXIT_USAGE, message);
    }
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      message = g_strdup_printf ("%s: %s", path, g_strerror (errno)); /* an existing platform is never replaced */
      return complain (EXIT_USAGE, message);
    }
  good = write_seed (fd);
  good = close (fd) == 0 && good;
  if (!good)
    {
      unlink (path);
      message = g_strdup_printf ("%s: the seed could not be written", path);
      return complain (EXIT_REFUSED, message);
    }
  g_print ("{\"schema\":1,\"seed\":\"%s\"}\n", path);
  return 0;
}

/* --- describe, serve */

static TeesqlSimulator *
make_simulator (TeesqlSimOptions *options, gboolean for_serving, GError **error)
{
  TeesqlSimulatorSettings settings;

  if (!teesql_sim_options_get_settings (options, for_serving, &settings, error))
    return NULL;
  return teesql_simulator_new (&settings, error);
}

static int
run_describe (TeesqlSimOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSimulator) simulator = make_simulator (options, FALSE, &error);
  g_autofree char *text = simulator != NULL ? teesql_simulator_describe (simulator, &error) : NULL;

  if (text == NULL || !teesql_simulator_write_root (simulator, &error))
    return complain (EXIT_USAGE, error->message);
  g_print ("%s\n", text);
  return 0;
}

static gboolean
quit_cb (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

static void
log_start (void)
{
  const char *const *dropped = teesql_environment_get_dropped ();

  if (dropped[0] != NULL)
    {
      g_autofree char *names = g_strjoinv (" ", (char **) dropped);

      teesql_log_warning ("simulator", "variables that would change a library were dropped: %s", names); /* SR-14 */
    }
  teesql_log_warning ("simulator", "this is a simulator: no hardware stands behind its evidence, and its keys follow from a seed");
}

static int
run_server (TeesqlSimOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSimulator) simulator = make_simulator (options, TRUE, &error);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autofree char *ready = NULL;

  if (simulator == NULL)
    return complain (EXIT_USAGE, error->message);
  if (!teesql_simulator_start (simulator, &error))
    return complain (EXIT_REFUSED, error->message);
  g_unix_signal_add (SIGTERM, quit_cb, loop);
  g_unix_signal_add (SIGINT, quit_cb, loop);
  log_start ();
  ready = teesql_simulator_get_ready_line (simulator);
  g_print ("%s\n", ready);
  fflush (stdout);
  g_main_loop_run (loop);
  return 0;
}

static void
setup (void)
{
  gboolean locked = FALSE;

  setlocale (LC_ALL, "");
  teesql_process_harden (&locked);
  teesql_log_setup ("teesql-simulator", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_AUTO);
  teesql_log_set_taint ("simulator");
}

int
main (int argc, char **argv)
{
  g_autoptr (TeesqlSimOptions) options = NULL;
  g_autoptr (GError) error = NULL;

  teesql_environment_rebuild (argc, argv);
  setup ();
  options = teesql_sim_options_parse (&argc, &argv, &error);
  if (options == NULL)
    return complain (EXIT_USAGE, error->message);
  if (teesql_sim_options_wants_version (options))
    {
      g_print ("teesql-simulator %s\n", TEESQL_VERSION);
      return 0;
    }
  if (argc == 1)
    return run_server (options);
  if (argc == 3 && strcmp (argv[1], "init") == 0)
    return run_init (argv[2]);
  if (argc == 2 && strcmp (argv[1], "describe") == 0)
    return run_describe (options);
  return complain (EXIT_USAGE, "expected no verb, `init DIR` or `describe`\nhint: teesql-simulator --help");
}
