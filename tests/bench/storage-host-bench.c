/* What the boundary costs: the same plugin in this process and in a storage host, in turn, in one run. `storage-host-bench PLUGIN-PATH
 * MODULE MIB PAIRS JSON [OPTION=VALUE…]`, where `@` in an option stands for `inside` and `hosted`, and JSON is a file or `-` for none.
 *
 * Seen twice: by who calls the plugin's interface with bytes that lie in memory (`plugin`: parts of 8 MiB, four at once; a get read by the
 * MiB), and through #TeesqlStore as backup and restore do (`store`: written and read by the MiB, three parts at once, 16 MiB read ahead).
 * Each pair is one transfer here and one there, one right after the other; a number is the median of the pairs, a ratio that of the ratios
 * in each pair, with the quartiles beside it, since others use the machine too. CPU is of this process and the host together. */
#include "plugin/teesql-plugin-loader.h"
#include "storage/teesql-storage-client.h"
#include "storage/teesql-store-private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <teesql/teesql.h>
#include <time.h>
#include <unistd.h>

#define PART         ((gsize) 8 << 20)
#define PIECE        ((gsize) 1 << 20)
#define N_FLIGHT     4
#define STORE_FLIGHT 3
#define READ_AHEAD   ((gsize) 16 << 20)

typedef struct
{
  TeesqlStorage *storage; /* of `plugin` */
  TeesqlStore *store;     /* of `store` */
  pid_t hosts[2];         /* of each; 0: in this process */
} Side;

typedef struct
{
  double *wall[2]; /* by side and pair */
  double *cpu[2];
} Series;

static guint n_parts;
static guint n_pairs;
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

static void
check_size (guint64 size)
{
  if (size == n_parts * PART)
    return;
  fprintf (stderr, "%" G_GUINT64_FORMAT " bytes came back, expected %" G_GSIZE_FORMAT "\n", size, n_parts * PART);
  exit (1);
}

static double
process_cpu (pid_t pid)
{
  clockid_t clock = 0;
  struct timespec spent = { 0 };

  if (pid == 0 && clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &spent) != 0)
    return 0;
  if (pid != 0 && (clock_getcpuclockid (pid, &clock) != 0 || clock_gettime (clock, &spent) != 0))
    return 0;
  return (double) spent.tv_sec + (double) spent.tv_nsec / 1e9;
}

static double
cpu (const Side *side)
{
  double sum = process_cpu (0);

  for (guint i = 0; i < G_N_ELEMENTS (side->hosts); i++)
    sum += side->hosts[i] != 0 ? process_cpu (side->hosts[i]) : 0;
  return sum;
}

/* ---- the plugin's interface ---- */

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
plugin_put (Side *side)
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

static void
plugin_get (Side *side)
{
  g_autoptr (GAsyncResult) opened = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autofree guint8 *buffer = g_malloc (PIECE);
  gsize total = 0;
  gssize n = 1;
  GError *error = NULL;

  teesql_storage_get_async (side->storage, "bench/object", 0, G_MAXUINT64, NULL, result_cb, &opened);
  stream = teesql_storage_get_finish (side->storage, wait_for (&opened), &error);
  check (error);
  while (n > 0)
    {
      g_autoptr (GAsyncResult) result = NULL;

      g_input_stream_read_async (stream, buffer, PIECE, G_PRIORITY_DEFAULT, NULL, result_cb, &result);
      n = g_input_stream_read_finish (stream, wait_for (&result), &error);
      check (error);
      total += (gsize) n;
    }
  check_size (total);
}

static void
plugin_forget (Side *side)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_remove_async (side->storage, "bench/object", NULL, result_cb, &result);
  if (!teesql_storage_remove_finish (side->storage, wait_for (&result), NULL))
    exit (1);
}

/* ---- the store's face ---- */

static void
store_put (Side *side)
{
  GError *error = NULL;
  g_autoptr (TeesqlStoreUpload) upload =
      teesql_store_upload_new (side->store, "bench/stored", TEESQL_STORAGE_PUT_NONE, STORE_FLIGHT, NULL, &error);
  const guint8 *bytes = g_bytes_get_data (part, NULL);
  guint64 size = 0;

  check (error);
  for (gsize i = 0; i < n_parts * (PART / PIECE); i++)
    if (!teesql_store_upload_write (upload, bytes + i % (PART / PIECE) * PIECE, PIECE, &error))
      check (error);
  if (!teesql_store_upload_commit (upload, &size, &error))
    check (error);
  check_size (size);
}

static void
store_get (Side *side)
{
  GError *error = NULL;
  g_autoptr (TeesqlStoreReader) reader = teesql_store_reader_new (side->store, "bench/stored", 0, G_MAXUINT64, READ_AHEAD, NULL, &error);
  g_autofree guint8 *buffer = g_malloc (PIECE);
  guint64 total = 0;
  gsize n = PIECE;

  check (error);
  for (; n == PIECE; total += n)
    if (!teesql_store_reader_read (reader, buffer, PIECE, &n, &error))
      check (error);
  check_size (total);
}

static void
store_forget (Side *side)
{
  GError *error = NULL;

  if (!teesql_store_remove (side->store, "bench/stored", NULL, &error))
    check (error);
}

/* ---- the two sides ---- */

static TeesqlStorage *
make_inside (TeesqlConfig *config)
{
  g_autoptr (TeesqlPluginLoader) loader = teesql_plugin_loader_new (config);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  GObject *object = NULL;

  teesql_plugin_loader_create_async (loader, "storage", "bench", NULL, result_cb, &result);
  object = teesql_plugin_loader_create_finish (loader, wait_for (&result), &error);
  check (error);
  return TEESQL_STORAGE (object);
}

static void
open_inside (Side *side, TeesqlConfig *config)
{
  g_autoptr (TeesqlStorage) storage = make_inside (config);
  TeesqlStoreOptions options = { .config = config, .instance = "bench", .storage = storage };

  side->storage = make_inside (config);
  side->store = teesql_store_new (&options);
}

static pid_t last_host;

static TeesqlStorage *
make_hosted_finish (GAsyncResult *result, GError **error)
{
  TeesqlStorageClient *client = teesql_storage_client_new_finish (result, error);

  if (client != NULL)
    last_host = teesql_storage_client_get_pid (client);
  return client != NULL ? TEESQL_STORAGE (client) : NULL;
}

static void
open_hosted (Side *side, TeesqlConfig *config)
{
  const TeesqlStoreMaker maker = { teesql_storage_client_new_async, make_hosted_finish };
  TeesqlStoreOptions options = { .config = config, .instance = "bench" };
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  teesql_storage_client_new_async (config, "bench", NULL, result_cb, &result);
  side->storage = make_hosted_finish (wait_for (&result), &error);
  check (error);
  side->hosts[0] = last_host;
  side->store = teesql_store_new_full (&options, &maker);
  if (!teesql_store_open (side->store, NULL, &error))
    check (error);
  side->hosts[1] = last_host;
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
  for (int i = 6; i < argc; i++)
    g_string_append_printf (text, "%s\n", argv[i]);
  g_string_replace (text, "@", side, 0);
  config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "bench", text->str, text->len, &error);
  check (error);
  return config;
}

/* ---- measuring ---- */

static const struct
{
  const char *name;
  void (*put) (Side *side);
  void (*get) (Side *side);
  void (*forget) (Side *side);
} levels[] = {
  { "plugin", plugin_put, plugin_get, plugin_forget },
  { "store", store_put, store_get, store_forget },
};

static void
measure (Side *side, void (*func) (Side *side), double *out_wall, double *out_cpu)
{
  gint64 begun = g_get_monotonic_time ();
  double used = cpu (side);

  func (side);
  *out_wall = (double) (g_get_monotonic_time () - begun) / 1e6;
  *out_cpu = cpu (side) - used;
}

static int
compare (const void *a, const void *b)
{
  return (*(const double *) a > *(const double *) b) - (*(const double *) a < *(const double *) b);
}

/* @at: of 4: a quarter each */
static double
quartile (const double *values, guint at)
{
  g_autofree double *sorted = g_memdup2 (values, n_pairs * sizeof *values);

  qsort (sorted, n_pairs, sizeof *sorted, compare);
  return sorted[(n_pairs - 1) * at / 4];
}

static double *
ratios (const double *above, const double *below)
{
  double *out = g_new (double, n_pairs);

  for (guint i = 0; i < n_pairs; i++)
    out[i] = above[i] / below[i];
  return out;
}

static void
print_series (const char *level, const char *what, const Series *series, FILE *json)
{
  double mib = (double) (n_parts * PART) / (1 << 20);
  g_autofree double *wall = ratios (series->wall[0], series->wall[1]); /* the throughput of the hosted one over the other's */
  g_autofree double *spent = ratios (series->cpu[1], series->cpu[0]);
  double rates[2] = { mib / quartile (series->wall[0], 2), mib / quartile (series->wall[1], 2) };

  printf ("%-6s  %-3s  %7.0f MiB/s  %7.0f MiB/s  %5.2f  (%.2f to %.2f)  %5.2f  (%.2f to %.2f)\n", level, what, rates[0], rates[1],
          quartile (wall, 2), quartile (wall, 1), quartile (wall, 3), quartile (spent, 2), quartile (spent, 1), quartile (spent, 3));
  if (json == NULL)
    return;
  fprintf (json,
           "{\"level\":\"%s\",\"what\":\"%s\",\"mib\":%.0f,\"pairs\":%u,\"inside_mib_s\":%.1f,\"hosted_mib_s\":%.1f,"
           "\"throughput\":[%.3f,%.3f,%.3f],\"cpu\":[%.3f,%.3f,%.3f]}\n",
           level, what, mib, n_pairs, rates[0], rates[1], quartile (wall, 1), quartile (wall, 2), quartile (wall, 3), quartile (spent, 1),
           quartile (spent, 2), quartile (spent, 3));
}

static void
series_init (Series *self)
{
  for (guint i = 0; i < 2; i++)
    {
      self->wall[i] = g_new0 (double, n_pairs);
      self->cpu[i] = g_new0 (double, n_pairs);
    }
}

static void
run_level (guint level, Side *sides, FILE *json)
{
  Series put;
  Series get;

  series_init (&put);
  series_init (&get);
  for (guint pair = 0; pair < n_pairs + 1; pair++) /* the first shows memory and files to both sides and does not count */
    {
      guint at = pair == 0 ? 0 : pair - 1;

      for (guint i = 0; i < 2; i++)
        measure (&sides[(i + pair) % 2], levels[level].put, &put.wall[(i + pair) % 2][at], &put.cpu[(i + pair) % 2][at]);
      for (guint i = 0; i < 2; i++)
        measure (&sides[(i + pair) % 2], levels[level].get, &get.wall[(i + pair) % 2][at], &get.cpu[(i + pair) % 2][at]);
      for (guint i = 0; i < 2; i++)
        levels[level].forget (&sides[i]);
    }
  print_series (levels[level].name, "put", &put, json);
  print_series (levels[level].name, "get", &get, json);
}

int
main (int argc, char **argv)
{
  Side sides[2] = { { NULL } };
  g_autoptr (TeesqlConfig) inside = NULL;
  g_autoptr (TeesqlConfig) hosted = NULL;
  guint8 *bytes = g_malloc (PART);
  FILE *json = NULL;

  if (argc < 6)
    {
      fprintf (stderr, "usage: storage-host-bench PLUGIN-PATH MODULE MIB PAIRS JSON|- [OPTION=VALUE…]\n");
      return 2;
    }
  n_parts = (guint) MAX (1, g_ascii_strtoull (argv[3], NULL, 10) / (PART >> 20));
  n_pairs = (guint) MAX (1, g_ascii_strtoull (argv[4], NULL, 10));
  if (!g_str_equal (argv[5], "-") && (json = fopen (argv[5], "w")) == NULL)
    return 1;
  for (gsize i = 0; i < PART; i++)
    bytes[i] = (guint8) (i * 2654435761u >> 13);
  part = g_bytes_new_take (bytes, PART);
  inside = make_config (argv, argc, "inside");
  hosted = make_config (argv, argc, "hosted");
  open_inside (&sides[0], inside);
  open_hosted (&sides[1], hosted);
  printf ("%s, %u MiB, %u pairs; median (quartiles)\n", argv[2], n_parts * 8, n_pairs);
  printf ("level   way     in process         hosted  throughput              CPU\n");
  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    run_level (i, sides, json);
  for (guint i = 0; i < 2; i++)
    {
      teesql_store_close (sides[i].store);
      g_object_unref (sides[i].store);
      g_object_unref (sides[i].storage);
    }
  return json != NULL && fclose (json) != 0;
}
