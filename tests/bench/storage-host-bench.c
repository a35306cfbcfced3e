/* What the boundary costs: the same plugin in this process and in a storage host, side by side in one run. `storage-host-bench PLUGIN-PATH
 * MODULE MIB [OPTION=VALUE…]`, where `@` stands for `inside` and `hosted`: an upload of 8 MiB parts, four in flight, then the object read
 * back. Wall time is the median of the rounds; CPU is of this process and the host together. */
#include "base/teesql-locked-memory.h"
#include "plugin/teesql-plugin-loader.h"
#include "storage/teesql-storage-client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <teesql/teesql.h>
#include <unistd.h>

#define PART     ((gsize) 8 << 20)
#define READ     ((gsize) 1 << 20)
#define N_FLIGHT 4
#define N_ROUNDS 5

typedef struct
{
  const char *label;
  TeesqlStorage *storage;
  pid_t host; /* 0: in this process */
  double put_wall[N_ROUNDS], put_cpu[N_ROUNDS], get_wall[N_ROUNDS], get_cpu[N_ROUNDS];
} Side;

static guint n_parts;
static GBytes *part;

static void
result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static void
check (GError *error)
{
  if (error == NULL)
    return;
  fprintf (stderr, "%s\n", error->message);
  exit (1);
}

static double
host_cpu (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;

  if (pid == 0 || !g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  fields = g_strsplit (strrchr (text, ')') + 2, " ", 20); /* from field 3 on; 14 and 15 are user and system ticks */
  return (double) (g_ascii_strtoull (fields[11], NULL, 10) + g_ascii_strtoull (fields[12], NULL, 10)) / (double) sysconf (_SC_CLK_TCK);
}

static double
cpu (const Side *side)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6 +
         host_cpu (side->host);
}

/* ---- put ---- */

typedef struct
{
  Side *side;
  char *id;
  char **tags;
  guint next;
  guint n_done;
} Upload;

static void send_part (Upload *upload);

typedef struct
{
  Upload *upload;
  guint number;
} Sent;

static void
part_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Sent *sent = user_data;
  GError *error = NULL;

  sent->upload->tags[sent->number - 1] = teesql_storage_upload_part_finish (TEESQL_STORAGE (source), result, &error);
  check (error);
  sent->upload->n_done++;
  send_part (sent->upload);
  g_free (sent);
}

static void
send_part (Upload *upload)
{
  Sent *sent = NULL;

  if (upload->next == n_parts)
    return;
  sent = g_new0 (Sent, 1);
  sent->upload = upload;
  sent->number = ++upload->next;
  teesql_storage_upload_part_async (upload->side->storage, "bench/object", upload->id, sent->number, part, NULL, part_cb, sent);
}

static void
put (Side *side)
{
  Upload upload = { .side = side, .tags = g_new0 (char *, n_parts + 1) };
  g_autoptr (GAsyncResult) began = NULL;
  g_autoptr (GAsyncResult) committed = NULL;
  g_autoptr (TeesqlObjectInfo) info = NULL;
  GError *error = NULL;

  teesql_storage_upload_begin_async (side->storage, "bench/object", 0, NULL, result_cb, &began);
  upload.id = teesql_storage_upload_begin_finish (side->storage, wait_for (&began), &error);
  check (error);
  for (guint i = 0; i < N_FLIGHT; i++)
    send_part (&upload);
  while (upload.n_done < n_parts)
    g_main_context_iteration (NULL, TRUE);
  teesql_storage_upload_commit_async (side->storage, "bench/object", upload.id, (const char *const *) upload.tags, 0, NULL, result_cb,
                                      &committed);
  info = teesql_storage_upload_commit_finish (side->storage, wait_for (&committed), &error);
  check (error);
  g_free (upload.id);
  g_strfreev (upload.tags);
}

/* ---- get ---- */

static void
get (Side *side)
{
  g_autoptr (GAsyncResult) opened = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autofree guint8 *buffer = g_malloc (READ);
  gsize total = 0;
  gssize n = 1;
  GError *error = NULL;

  teesql_storage_get_async (side->storage, "bench/object", 0, G_MAXUINT64, NULL, result_cb, &opened);
  stream = teesql_storage_get_finish (side->storage, wait_for (&opened), &error);
  check (error);
  while (n > 0)
    {
      g_autoptr (GAsyncResult) result = NULL;

      g_input_stream_read_async (stream, buffer, READ, G_PRIORITY_DEFAULT, NULL, result_cb, &result);
      n = g_input_stream_read_finish (stream, wait_for (&result), &error);
      check (error);
      total += (gsize) n;
    }
  if (total != n_parts * PART)
    {
      fprintf (stderr, "%" G_GSIZE_FORMAT " bytes came back, expected %" G_GSIZE_FORMAT "\n", total, n_parts * PART);
      exit (1);
    }
}

static void
forget (Side *side)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_remove_async (side->storage, "bench/object", NULL, result_cb, &result);
  if (!teesql_storage_remove_finish (side->storage, wait_for (&result), NULL))
    exit (1);
}

static void
measure (Side *side, void (*func) (Side *side), double *out_wall, double *out_cpu)
{
  gint64 begun = g_get_monotonic_time ();
  double used = cpu (side);

  func (side);
  *out_wall = (double) (g_get_monotonic_time () - begun) / 1e6;
  *out_cpu = cpu (side) - used;
}

/* ---- the two sides ---- */

static void
open_inside (Side *side, TeesqlConfig *config)
{
  g_autoptr (TeesqlPluginLoader) loader = teesql_plugin_loader_new (config);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  teesql_plugin_loader_create_async (loader, "storage", "bench", NULL, result_cb, &result);
  side->storage = TEESQL_STORAGE (teesql_plugin_loader_create_finish (loader, wait_for (&result), &error));
  check (error);
}

static void
open_hosted (Side *side, TeesqlConfig *config)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  TeesqlStorageClient *client = NULL;

  teesql_storage_client_new_async (config, "bench", NULL, result_cb, &result);
  client = teesql_storage_client_new_finish (wait_for (&result), &error);
  check (error);
  side->storage = TEESQL_STORAGE (client);
  side->host = teesql_storage_client_get_pid (client);
}

static TeesqlConfig *
make_config (char **argv, int argc, const char *side)
{
  g_autoptr (GString) text = g_string_new (NULL);
  GError *error = NULL;
  TeesqlConfig *config = NULL;

  g_string_append_printf (text,
                          "[teesql]\ncluster = bench\nplugin-path = %s\n\n[backup]\nstorages = bench\n\n[storage:bench]\nplugin = %s\n",
                          argv[1], argv[2]);
  for (int i = 4; i < argc; i++)
    g_string_append_printf (text, "%s\n", argv[i]);
  g_string_replace (text, "@", side, 0);
  config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "bench", text->str, text->len, &error);
  check (error);
  return config;
}

static int
compare (const void *a, const void *b)
{
  return *(const double *) a < *(const double *) b ? -1 : 1;
}

static double
median (double *values)
{
  qsort (values, N_ROUNDS, sizeof *values, compare);
  return values[N_ROUNDS / 2];
}

static void
print_row (const char *what, double *inside, double *hosted, double *inside_cpu, double *hosted_cpu)
{
  double mib = (double) (n_parts * PART) / (1 << 20);
  double a = median (inside);
  double b = median (hosted);

  printf ("%-4s  %8.0f MiB/s  %8.0f MiB/s  %5.2f  %6.2f s  %6.2f s\n", what, mib / a, mib / b, a / b, median (inside_cpu),
          median (hosted_cpu));
}

int
main (int argc, char **argv)
{
  Side sides[2] = { { .label = "in process" }, { .label = "hosted" } };
  g_autoptr (TeesqlConfig) inside = NULL;
  g_autoptr (TeesqlConfig) hosted = NULL;
  guint8 *bytes = g_malloc (PART);

  if (argc < 4)
    {
      fprintf (stderr, "usage: storage-host-bench PLUGIN-PATH MODULE MIB [OPTION=VALUE…]\n");
      return 2;
    }
  n_parts = (guint) (g_ascii_strtoull (argv[3], NULL, 10) / (PART >> 20));
  for (gsize i = 0; i < PART; i++)
    bytes[i] = (guint8) (i * 2654435761u >> 13);
  part = g_bytes_new_take (bytes, PART);
  inside = make_config (argv, argc, "inside");
  hosted = make_config (argv, argc, "hosted");
  open_inside (&sides[0], inside);
  open_hosted (&sides[1], hosted);
  for (guint round = 0; round < N_ROUNDS; round++)
    for (guint i = 0; i < 2; i++)
      {
        Side *side = &sides[(i + round) % 2];

        measure (side, put, &side->put_wall[round], &side->put_cpu[round]);
        measure (side, get, &side->get_wall[round], &side->get_cpu[round]);
        forget (side);
      }
  printf ("%s, %u MiB in parts of 8 MiB, median of %d\n", argv[2], n_parts * 8, N_ROUNDS);
  printf ("      in process      hosted          ratio  CPU       CPU\n");
  print_row ("put", sides[0].put_wall, sides[1].put_wall, sides[0].put_cpu, sides[1].put_cpu);
  print_row ("get", sides[0].get_wall, sides[1].get_wall, sides[0].get_cpu, sides[1].get_cpu);
  return 0;
}
