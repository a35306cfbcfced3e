/* What sealing costs beside GnuTLS alone, and the whole pipeline beside the zstd program, in interleaved rounds of one run. A bench, not a
 * test. Usage: seal-bench [MIB [ROUNDS]]; 0 MIB leaves the
 * pipeline out. Data is made to compress about 3:1. Rows of one run compare; runs do not. */
#include "../unit/storage/fake-storage.h"
#include "backup/teesql-sealed-sink.h"
#include "discard-storage.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB        ((gsize) 1024 * 1024)
#define LEVEL      3
#define READ_SIZE  (64 * 1024)
#define MAX_ROUNDS 99
#define SLICE_MIB  8  /* short, so that a clock that moves meets both sides of a pair */
#define SLICES     64 /* a round */

static void
check (gboolean well, const char *what, const GError *error)
{
  if (well)
    return;
  g_printerr ("seal-bench: %s: %s\n", what, error != NULL ? error->message : "failed");
  exit (1);
}

static double
now (clockid_t clock)
{
  struct timespec t;

  clock_gettime (clock, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static double
median (double *values, guint n)
{
  qsort (values, n, sizeof *values, compare_doubles);
  return values[n / 2];
}

/* ---- sealing, per core ---- */

typedef struct
{
  guint8 *plain;
  guint8 *sealed;
  guint8 *raw_sealed;
  guint8 *our_sealed;
  gnutls_aead_cipher_hd_t raw;
  TeesqlEpochKeys *keys;
  TeesqlSealWriter *writer;
  TeesqlSealReader *reader;
  guint32 index; /* a segment is sealed once */
} Segments;

static const TeesqlSealContext context = { .name = "bench" };

/* Each seals or opens SLICE_MIB segments of a MiB. */
static void
raw_encrypt (Segments *s)
{
  guint8 nonce[12] = { 0 };

  for (guint i = 0; i < SLICE_MIB; i++)
    {
      gsize size = MIB + 16;

      nonce[0] = (guint8) i;
      check (gnutls_aead_cipher_encrypt (s->raw, nonce, sizeof nonce, NULL, 0, 16, s->plain, MIB, s->sealed, &size) == 0, "raw", NULL);
    }
}

static void
seal (Segments *s)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < SLICE_MIB; i++)
    check (teesql_seal_writer_seal (s->writer, s->index++, FALSE, s->plain, MIB, s->sealed, &error), "seal", error);
}

static void
raw_decrypt (Segments *s)
{
  guint8 nonce[12] = { 0 };

  for (guint i = 0; i < SLICE_MIB; i++)
    {
      gsize out = MIB;

      check (gnutls_aead_cipher_decrypt (s->raw, nonce, sizeof nonce, NULL, 0, 16, s->raw_sealed, MIB + 16, s->plain, &out) == 0, "raw",
             NULL);
    }
}

static void
unseal (Segments *s)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < SLICE_MIB; i++)
    check (teesql_seal_reader_open (s->reader, 1, FALSE, s->our_sealed, MIB + 16, s->plain, &error), "open", error);
}

static TeesqlEpochKeys *
make_keys (void)
{
  guint8 bytes[32] = { 1 };
  g_autoptr (TeesqlSecret) key = teesql_secret_new (bytes, sizeof bytes, NULL);
  TeesqlEpochKeys *keys = teesql_epoch_keys_new (bytes);

  check (teesql_epoch_keys_add (keys, 0, key, NULL), "key", NULL);
  return keys;
}

static void
open_segments (Segments *s)
{
  g_autoptr (GError) error = NULL;
  guint8 key[32] = { 2 };
  guint8 nonce[12] = { 0 };
  const gnutls_datum_t datum = { key, sizeof key };
  gsize size = MIB + 16;
  gsize header_size = 0;
  const guint8 *header = NULL;

  check (gnutls_aead_cipher_init (&s->raw, GNUTLS_CIPHER_AES_256_GCM, &datum) == 0, "cipher", NULL);
  check (gnutls_aead_cipher_encrypt (s->raw, nonce, sizeof nonce, NULL, 0, 16, s->plain, MIB, s->raw_sealed, &size) == 0, "raw", NULL);
  s->writer = teesql_seal_writer_new (&context, s->keys, 0, &error);
  check (s->writer != NULL, "writer", error);
  check (teesql_seal_writer_seal (s->writer, 1, FALSE, s->plain, MIB, s->our_sealed, &error), "seal", error);
  header = teesql_seal_writer_get_header (s->writer, &header_size);
  s->reader = teesql_seal_reader_new (&context, s->keys, header, header_size, &header_size, &error);
  check (s->reader != NULL, "reader", error);
  s->index = 2;
}

static void
close_segments (Segments *s)
{
  gnutls_aead_cipher_deinit (s->raw);
  teesql_seal_writer_free (s->writer);
  teesql_seal_reader_free (s->reader);
  teesql_epoch_keys_unref (s->keys);
  g_free (s->plain);
  g_free (s->sealed);
  g_free (s->raw_sealed);
  g_free (s->our_sealed);
}

/* The two sides of a pair follow each other within milliseconds, and take turns at going first. */
static void
time_pair (Segments *s, void (*const pair[2]) (Segments *), guint number, double seconds[2])
{
  for (guint i = 0; i < 2; i++)
    {
      guint side = (i + number) & 1;
      double begun = now (CLOCK_THREAD_CPUTIME_ID);

      pair[side](s);
      seconds[side] = now (CLOCK_THREAD_CPUTIME_ID) - begun;
    }
}

static void
bench_way (Segments *s, const char *const names[2], void (*const pair[2]) (Segments *), guint slices)
{
  g_autofree double *ratios = g_new (double, slices);
  double total[2] = { 0 };

  for (guint i = 0; i < slices; i++)
    {
      double seconds[2];

      time_pair (s, pair, i, seconds);
      total[0] += seconds[0];
      total[1] += seconds[1];
      ratios[i] = seconds[0] / seconds[1];
    }
  qsort (ratios, slices, sizeof *ratios, compare_doubles);
  for (guint i = 0; i < 2; i++)
    printf ("%-28s %10.0f%s", names[i], slices * SLICE_MIB / total[i], i == 0 ? "\n" : "");
  printf (" %8.3f (%.3f to %.3f)\n", ratios[slices / 2], ratios[slices / 4], ratios[slices * 3 / 4]);
}

static void
bench_sealing (guint rounds)
{
  static void (*const out[2]) (Segments *) = { raw_encrypt, seal };
  static void (*const back[2]) (Segments *) = { raw_decrypt, unseal };
  Segments s = { g_malloc0 (MIB), g_malloc0 (MIB + 16), g_malloc0 (MIB + 16), g_malloc0 (MIB + 16), .keys = make_keys () };

  open_segments (&s);
  printf ("%-28s %10s %8s\n", "per core", "MiB/s CPU", "ratio");
  bench_way (&s, (const char *const[]){ "GnuTLS encrypt", "seal" }, out, rounds * SLICES);
  bench_way (&s, (const char *const[]){ "GnuTLS decrypt", "open" }, back, rounds * SLICES);
  printf ("ratio: of throughput, ours over GnuTLS alone; the median of pairs of %d MiB, and the quartiles.\n", SLICE_MIB);
  close_segments (&s);
}

/* ---- the pipeline, in processes of its own, so that each has its own peak of memory ---- */

typedef struct
{
  double wall;
  double cpu;
  double peak_mib;
  double stored_mib; /* 0: not known */
} Cost;

static TeesqlRepository *
open_repository (TeesqlStorage *storage)
{
  const TeesqlStoreOptions options = { .instance = "bench", .storage = storage };
  g_autoptr (TeesqlStore) store = teesql_store_new (&options);
  g_autoptr (TeesqlEpochKeys) keys = make_keys ();

  return teesql_repository_new (store, keys, TRUE);
}

static GArray *
run_sink (const TeesqlSealedSinkOptions *options, const char *path)
{
  g_autoptr (GError) error = NULL;
  TeesqlSealedSink *sink = teesql_sealed_sink_new (options, NULL, &error);
  int file = open (path, O_RDONLY | O_CLOEXEC);
  guint8 buffer[READ_SIZE];
  GArray *pieces = NULL;
  guint64 plain = 0;
  gssize n = 0;

  check (sink != NULL && file >= 0, path, error);
  while ((n = read (file, buffer, sizeof buffer)) > 0)
    check (teesql_sealed_sink_write (sink, buffer, (gsize) n, &error), "write", error);
  check (teesql_sealed_sink_finish (sink, &pieces, &plain, &error), "finish", error);
  teesql_sealed_sink_free (sink);
  close (file);
  return pieces;
}

static void
run_source (const TeesqlSealedSinkOptions *options, const GArray *pieces)
{
  g_autoptr (GError) error = NULL;
  TeesqlSealedSource *source = teesql_sealed_source_new (options, pieces, NULL, &error);
  const guint8 *data = NULL;
  gsize size = 1;

  while (size > 0)
    check (teesql_sealed_source_read (source, &data, &size, &error), "read", error);
  teesql_sealed_source_free (source);
}

static Cost
cost_since (double wall, double cpu)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (Cost){ now (CLOCK_MONOTONIC) - wall, now (CLOCK_PROCESS_CPUTIME_ID) - cpu, (double) usage.ru_maxrss / 1024 };
}

static Cost
pipeline_cost (const char *path, guint threads, gboolean back)
{
  TeesqlStorage *storage =
      back ? TEESQL_STORAGE (fake_storage_new (TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL)) : discard_storage_new ();
  g_autoptr (TeesqlRepository) repository = open_repository (storage);
  const TeesqlSealedSinkOptions options = { .repository = repository, .base_name = "bench", .level = LEVEL, .threads = threads };
  double wall = now (CLOCK_MONOTONIC);
  double cpu = now (CLOCK_PROCESS_CPUTIME_ID);
  GArray *pieces = run_sink (&options, path);

  if (!back)
    {
      Cost cost = cost_since (wall, cpu);

      for (guint i = 0; i < pieces->len; i++)
        cost.stored_mib += (double) g_array_index (pieces, TeesqlPiece, i).stored_size / (double) MIB;
      return cost;
    }
  wall = now (CLOCK_MONOTONIC);
  cpu = now (CLOCK_PROCESS_CPUTIME_ID);
  run_source (&options, pieces);
  return cost_since (wall, cpu);
}

static Cost
in_child (const char *path, guint threads, gboolean back)
{
  int ends[2];
  Cost cost = { 0 };
  pid_t child = 0;
  int status = 0;

  check (pipe (ends) == 0, "pipe", NULL);
  fflush (NULL);
  child = fork ();
  if (child == 0)
    {
      cost = pipeline_cost (path, threads, back);
      _exit (write (ends[1], &cost, sizeof cost) == sizeof cost ? 0 : 1);
    }
  check (child > 0 && waitpid (child, &status, 0) == child && status == 0, "child", NULL);
  check (read (ends[0], &cost, sizeof cost) == sizeof cost, "child", NULL);
  close (ends[0]);
  close (ends[1]);
  return cost;
}

static double
file_mib (const char *path)
{
  struct stat found;

  return path != NULL && stat (path, &found) == 0 && S_ISREG (found.st_mode) ? (double) found.st_size / (double) MIB : 0;
}

/* the name of what it writes stands last */
static Cost
zstd_cost (const char *const *argv)
{
  struct rusage usage;
  double wall = now (CLOCK_MONOTONIC);
  int status = 0;
  pid_t child = fork ();

  if (child == 0)
    {
      execvp (argv[0], (char *const *) argv);
      _exit (127);
    }
  check (child > 0 && wait4 (child, &status, 0, &usage) == child && status == 0, argv[0], NULL);
  return (Cost){ now (CLOCK_MONOTONIC) - wall,
                 (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec +
                     (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6,
                 (double) usage.ru_maxrss / 1024, file_mib (argv[5]) };
}

/* Words, numbers and some noise: rows of tables, as far as zstd can see. */
static void
make_data (const char *path, gsize mib)
{
  static const char *const words[] = { "account", "teller", "branch", "balance", "history", "delta", "filler", "mtime" };
  FILE *file = fopen (path, "wb");
  guint32 state = 1;

  check (file != NULL, path, NULL);
  for (gsize written = 0; written < mib * MIB;)
    {
      state = state * 1664525u + 1013904223u;
      written += (gsize) fprintf (file, "%u\t%s\t%s\t%u\n", state >> 12, words[state >> 29], words[(state >> 26) & 7], state >> 22);
    }
  check (fclose (file) == 0, path, NULL);
}

typedef struct
{
  const char *name;
  guint threads;
  gboolean back;
  const char *const *argv; /* or ours, when %NULL */
} Row;

static void
print_row (const Row *row, Cost samples[][MAX_ROUNDS], guint index, guint rounds, double mib)
{
  double values[3][MAX_ROUNDS];
  static double base_wall;
  static double base_cpu;

  for (guint round = 0; round < rounds; round++)
    {
      values[0][round] = samples[index][round].wall;
      values[1][round] = samples[index][round].cpu;
      values[2][round] = samples[index][round].peak_mib;
    }
  double wall = median (values[0], rounds);
  double cpu = median (values[1], rounds);
  if (row->argv != NULL)
    {
      base_wall = wall;
      base_cpu = cpu;
    }
  printf ("%-28s %10.0f %10.2f %10.0f %10.1f", row->name, mib / wall, cpu, median (values[2], rounds), samples[index][0].stored_mib);
  if (row->argv == NULL)
    printf (" %10.3f %10.3f", wall / base_wall, cpu / base_cpu);
  printf ("\n");
}

static void
bench_pipeline (gsize mib, guint rounds)
{
  g_autofree char *path = g_strdup_printf ("%s/seal-bench.%d", g_get_tmp_dir (), (int) getpid ());
  g_autofree char *compressed = g_strconcat (path, ".zst", NULL);
  const char *const one[] = { "zstd", "-qfT1", "-3", path, "-o", compressed, NULL };
  const char *const two[] = { "zstd", "-qfT2", "-3", path, "-o", "/dev/null", NULL };
  const char *const back[] = { "zstd", "-qdf", compressed, "-o", "/dev/null", NULL };
  const Row rows[] = { { "zstd -3 -T1", 0, FALSE, one },      { "sink, 1 thread", 1, FALSE, NULL }, { "zstd -3 -T2", 0, FALSE, two },
                       { "sink, 2 threads", 2, FALSE, NULL }, { "zstd -d", 0, FALSE, back },        { "source, 1 thread", 1, TRUE, NULL },
                       { "source, 2 threads", 2, TRUE, NULL } };
  static Cost samples[G_N_ELEMENTS (rows)][MAX_ROUNDS];

  make_data (path, mib);
  for (guint round = 0; round < rounds; round++)
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
      samples[i][round] = rows[i].argv != NULL ? zstd_cost (rows[i].argv) : in_child (path, rows[i].threads, rows[i].back);
  printf ("\n%-28s %10s %10s %10s %10s %10s %10s\n", "pipeline", "MiB/s", "CPU s", "peak MiB", "MiB stored", "wall", "CPU");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    print_row (&rows[i], samples, i, rounds, (double) mib);
  printf ("wall and CPU: ours / the zstd program above it. A source's peak holds the objects too: they are in memory.\n\n");
  unlink (path);
  unlink (compressed);
}

int
main (int argc, char **argv)
{
  gsize mib = argc > 1 ? (gsize) g_ascii_strtoull (argv[1], NULL, 10) : 512;
  guint rounds = argc > 2 ? (guint) g_ascii_strtoull (argv[2], NULL, 10) : 5;

  check (rounds > 0 && rounds <= MAX_ROUNDS, "usage: seal-bench [MIB [ROUNDS]]", NULL);
  if (mib > 0)
    bench_pipeline (mib, rounds); /* first: children are forked before this process has threads */
  bench_sealing (rounds);
  return 0;
}
