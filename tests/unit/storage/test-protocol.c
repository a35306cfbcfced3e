#include "base/teesql-domains.h"
#include "storage/teesql-storage-lender.h"
#include "storage/teesql-storage-hello.h"
#include <string.h>
#include <teesql/teesql.h>

/* A host may say anything; these are the ways in which it is not believed. */

static guint8 frame[TEESQL_STORAGE_FRAME_MAX];

static TeesqlStorageMessage
read_back (const TeesqlStorageMessage *message, gboolean from_host)
{
  TeesqlStorageMessage again = { 0 };
  gsize size = teesql_storage_message_encode (message, frame);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (size, >, 0);
  g_assert_true (teesql_storage_message_decode (&again, from_host, frame, size, &error));
  g_assert_no_error (error);
  return again;
}

static void
refuse (gboolean from_host, gsize size)
{
  TeesqlStorageMessage message = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_false (teesql_storage_message_decode (&message, from_host, frame, size, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
}

static void
test_round_trip (void)
{
  const TeesqlStorageMessage get = { .type = TEESQL_STORAGE_GET, .call = 7, .name = "a/b", .offset = 1ull << 40, .size = G_MAXUINT64 };
  const TeesqlStorageMessage info = { .type = TEESQL_STORAGE_DONE_INFO, .call = 9, .size = 5, .offset = (guint64) -1, .text = "\"etag\"" };
  TeesqlStorageMessage again = read_back (&get, FALSE);

  g_assert_cmpuint (again.call, ==, 7);
  g_assert_cmpstr (again.name, ==, "a/b");
  g_assert_cmpuint (again.offset, ==, 1ull << 40);
  g_assert_cmpuint (again.size, ==, G_MAXUINT64);
  again = read_back (&info, TRUE);
  g_assert_cmpint ((gint64) again.offset, ==, -1);
  g_assert_cmpstr (again.text, ==, "\"etag\"");
}

static void
test_directions (void)
{
  const TeesqlStorageMessage ping = { .type = TEESQL_STORAGE_PING };
  const TeesqlStorageMessage pong = { .type = TEESQL_STORAGE_PONG };

  refuse (TRUE, teesql_storage_message_encode (&ping, frame));
  refuse (FALSE, teesql_storage_message_encode (&pong, frame));
}

static void
test_every_cut (void)
{
  const TeesqlStorageMessage data = { .type = TEESQL_STORAGE_DATA, .call = 3, .slot = 5, .length = 100 };
  const TeesqlStorageMessage failed = { .type = TEESQL_STORAGE_FAILED, .call = 3, .reason = "x", .message = "text" };
  gsize size = teesql_storage_message_encode (&data, frame);

  for (gsize i = 0; i < size; i++)
    refuse (TRUE, i);
  refuse (TRUE, size + 1);
  size = teesql_storage_message_encode (&failed, frame);
  for (gsize i = 0; i < size; i++)
    refuse (TRUE, i);
}

static void
test_unprintable (void)
{
  const TeesqlStorageMessage escape = { .type = TEESQL_STORAGE_DONE_TEXT, .text = "id\033[2J" };
  const TeesqlStorageMessage empty = { .type = TEESQL_STORAGE_DONE_TEXT, .text = "" };

  refuse (TRUE, teesql_storage_message_encode (&escape, frame));
  refuse (TRUE, teesql_storage_message_encode (&empty, frame));
}

static GError *
carry (const GError *error)
{
  TeesqlStorageMessage message = { 0 };
  TeesqlStorageMessage again;

  teesql_storage_message_set_error (&message, error);
  again = read_back (&message, TRUE);
  return teesql_storage_message_dup_error (&again);
}

static void
test_errors_arrive (void)
{
  g_autoptr (GError) throttled =
      teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_THROTTLED, "slow-down", 1500, "please reduce\nhint: wait");
  g_autoptr (GError) config = teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "plugin-option", 0, "wrong");
  g_autoptr (GError) foreign = g_error_new_literal (G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no such host");
  g_autoptr (GError) again = carry (throttled);

  g_assert_error (again, TEESQL_STORAGE_ERROR, TEESQL_ERROR_THROTTLED);
  g_assert_cmpstr (teesql_error_get_reason (again), ==, "slow-down");
  g_assert_cmpuint (teesql_error_get_retry_after_ms (again), ==, 1500);
  g_assert_cmpstr (again->message, ==, "please reduce\nhint: wait");
  g_clear_error (&again);
  again = carry (config);
  g_assert_error (again, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG);
  g_clear_error (&again);
  again = carry (foreign);
  g_assert_error (again, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED);
}

static void
test_errors_are_tamed (void)
{
  g_autofree char *longest = g_strnfill (TEESQL_STORAGE_MESSAGE_MAX, 'x');
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_FAILED,
                                   .domain = 77,
                                   .code = 4711,
                                   .retry_after_ms = G_MAXUINT32,
                                   .reason = "Not A Reason",
                                   .message = "red\033[31m\r\nforged line\nhint: do this\nhint: and that" };
  g_autoptr (GError) error = teesql_storage_message_dup_error (&message);

  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "unspecified");
  g_assert_cmpuint (teesql_error_get_retry_after_ms (error), ==, 3600000);
  g_assert_cmpstr (error->message, ==, "red?[31m??forged line\nhint: do this?hint: and that");
  g_clear_error (&error);
  message.message = longest;
  error = teesql_storage_message_dup_error (&message);
  g_assert_cmpuint (strlen (error->message), <, TEESQL_STORAGE_MESSAGE_MAX);
  g_clear_error (&error);
  /* we did not cancel, so nobody did */
  message.domain = TEESQL_STORAGE_DOMAIN_IO;
  message.code = G_IO_ERROR_CANCELLED;
  error = teesql_storage_message_dup_error (&message);
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED);
}

static void
test_too_many_items (void)
{
  TeesqlStorageWriter writer = { .data = frame, .capacity = sizeof frame };
  g_autoptr (TeesqlObjectInfo) info = teesql_object_info_new ("name", 1, -1, NULL);
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  g_autoptr (GError) error = NULL;
  TeesqlCursor rest;

  for (guint i = 0; i < 11; i++)
    g_assert_true (teesql_storage_writer_item (&writer, info));
  teesql_cursor_init (&rest, "items", writer.data, writer.size);
  g_assert_false (teesql_storage_items_decode (&rest, 10, items, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
  g_assert_cmpuint (items->len, ==, 10);
}

/* as many of them as a host likes would do no harm to a page, and starve everything else */
static void
test_no_items (void)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  g_autoptr (GError) error = NULL;
  TeesqlCursor rest;

  teesql_cursor_init (&rest, "items", frame, 0);
  g_assert_false (teesql_storage_items_decode (&rest, 10, items, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
}

static void
test_greeting (void)
{
  static const char text[] = "[teesql]\ncluster = orders\n\n[backup]\nstorages = s3\n\n[storage:s3]\nplugin = s3\nbucket = b\n";
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), NULL);
  g_autofree char *digest = g_strnfill (96, 'a');
  TeesqlStorageSandbox *sandbox = teesql_storage_sandbox_new ();
  g_autoptr (TeesqlStorageHello) hello = NULL;
  TeesqlStorageWriter writer = { .data = frame, .capacity = sizeof frame };

  g_assert_nonnull (config);
  teesql_storage_sandbox_add_path (sandbox, "/objects", TEESQL_STORAGE_PATH_WRITE);
  teesql_storage_sandbox_add_port (sandbox, 443);
  hello = teesql_storage_hello_new (config, "s3", "s3", digest, sandbox, NULL);
  g_assert_true (teesql_storage_hello_encode (hello, &writer, NULL));
  for (gsize size = 5; size <= writer.size; size++) /* behind type and call */
    {
      TeesqlCursor rest;
      g_autoptr (TeesqlStorageHello) again = NULL;

      teesql_cursor_init (&rest, "greeting", frame + 5, size - 5);
      again = teesql_storage_hello_decode (&rest, NULL);
      g_assert_true ((again != NULL) == (size == writer.size));
      if (again == NULL)
        continue;
      g_assert_cmpuint (again->settings->len, ==, 1);
      g_assert_cmpstr (((TeesqlStorageSetting *) again->settings->pdata[0])->text, ==, "b");
      g_assert_cmpuint (g_array_index (again->sandbox->ports, guint16, 0), ==, 443);
    }
}

/* ---- [Sandbox] ---- */

static TeesqlStorageSandbox *
read_sandbox (const char *group, const char *options, GError **error)
{
  g_autofree char *text = g_strdup_printf ("[teesql]\ncluster = orders\n\n[backup]\nstorages = s3\n\n[storage:s3]\n%s", options);
  g_autofree char *sandbox = g_strdup_printf ("[Plugin]\nName=s3\n\n[Sandbox]\n%s", group);
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), NULL);

  g_assert_nonnull (config);
  return teesql_storage_sandbox_read (sandbox, "s3.plugin", config, "storage:s3", error);
}

static void
test_sandbox (void)
{
  g_autoptr (TeesqlStorageSandbox) sandbox = read_sandbox (
      "paths = option:path;option:unset\nread-paths = /etc/x;\nread-folders = option:token\nports = option:endpoint; 443;443\n",
      "path = /objects\ntoken = /run/token/now\nendpoint = http://store:9000\n", NULL);
  const TeesqlStoragePath *path = NULL;

  g_assert_nonnull (sandbox);
  g_assert_cmpuint (sandbox->paths->len, ==, 3);
  path = sandbox->paths->pdata[0];
  g_assert_cmpstr (path->path, ==, "/objects");
  g_assert_cmpuint (path->flags, ==, TEESQL_STORAGE_PATH_WRITE);
  path = sandbox->paths->pdata[2];
  g_assert_cmpstr (path->path, ==, "/run/token");
  g_assert_cmpuint (path->flags, ==, TEESQL_STORAGE_PATH_READ);
  g_assert_cmpuint (sandbox->ports->len, ==, 2);
  g_assert_cmpuint (g_array_index (sandbox->ports, guint16, 0), ==, 9000);
}

static void
test_sandbox_nonsense (void)
{
  static const struct
  {
    const char *group;
    const char *options;
    const char *reason;
  } cases[] = {
    { "path = /x\n", "", "plugin-sandbox" },
    { "paths = relative\n", "", "storage-path" },
    { "paths = option:path\n", "path = file:/x\n", "storage-path" },
    { "ports = 0\n", "", "storage-port" },
    { "ports = 65536\n", "", "storage-port" },
    { "ports = option:endpoint\n", "endpoint = ftp://store\n", "storage-port" },
    { "ports = option:endpoint\n", "endpoint = store:https\n", "storage-port" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (read_sandbox (cases[i].group, cases[i].options, &error));
      g_assert_cmpstr (teesql_error_get_reason (error), ==, cases[i].reason);
    }
}

static void
test_ports (void)
{
  static const struct
  {
    const char *text;
    guint port;
  } cases[] = { { "9000", 9000 },
                { "https://s3.example.org", 443 },
                { "http://s3.example.org/x", 80 },
                { "https://[::1]:8443", 8443 },
                { "store:9000", 9000 },
                { "store", 443 },
                { "[::1]:99", 99 },
                { "", 0 },
                { "a b", 0 },
                { ":1", 0 } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint16 port = 0;

      g_assert_true (teesql_storage_sandbox_parse_port (cases[i].text, &port) == (cases[i].port != 0));
      g_assert_true (cases[i].port == 0 || port == cases[i].port);
    }
}

static void
test_slots (void)
{
  g_autoptr (TeesqlStorageSlots) slots = teesql_storage_slots_new ();
  guint32 slot = 0;

  for (guint i = 0; i < TEESQL_STORAGE_N_SLOTS; i++)
    g_assert_true (teesql_storage_slots_take (slots, 1 + i % 2, &slot));
  g_assert_false (teesql_storage_slots_take (slots, 3, &slot));
  g_assert_true (teesql_storage_slots_belongs (slots, 0, 1));
  g_assert_false (teesql_storage_slots_belongs (slots, 0, 2));
  g_assert_false (teesql_storage_slots_belongs (slots, TEESQL_STORAGE_N_SLOTS, 1));
  teesql_storage_slots_give (slots, 5);
  g_assert_cmpuint (teesql_storage_slots_count_free (slots), ==, 1);
  g_assert_true (teesql_storage_slots_take (slots, 9, &slot));
  g_assert_cmpuint (slot, ==, 5);
}

static void
test_runs (void)
{
  g_auto (TeesqlStorageArena) arena = { .fd = -1 };
  g_autoptr (TeesqlStorageLender) lender = NULL;
  guint8 *runs[TEESQL_STORAGE_N_RUNS] = { NULL };
  guint32 run = 0;

  g_assert_true (teesql_storage_arena_make (&arena, NULL));
  lender = teesql_storage_lender_new (&arena);
  g_assert_nonnull (lender);
  for (guint32 i = 0; i < TEESQL_STORAGE_N_RUNS; i++)
    {
      runs[i] = teesql_storage_lender_take (lender);
      g_assert_true (teesql_storage_lender_find (lender, runs[i], TEESQL_STORAGE_RUN_SIZE, &run));
      g_assert_cmpuint (run, ==, i);
      memset (runs[i], (int) i + 1, TEESQL_STORAGE_RUN_SIZE);
      g_assert_cmpuint (arena.slots[teesql_storage_arena_run_offset (i)], ==, i + 1);
    }
  g_assert_cmpuint (arena.slots[teesql_storage_arena_run_offset (0) - 1], ==, 0); /* the last slot is none of theirs */
  g_assert_null (teesql_storage_lender_take (lender));
  g_assert_false (teesql_storage_lender_find (lender, runs[1] + 1, 1, &run));
  g_assert_false (teesql_storage_lender_find (lender, runs[0], TEESQL_STORAGE_RUN_SIZE + 1, &run));
  g_assert_false (teesql_storage_lender_find (lender, arena.slots, 1, &run));
  teesql_storage_lender_give (lender, runs[2]);
  g_assert_true (teesql_storage_lender_take (lender) == runs[2]);
}

static gboolean
count_cb (gpointer user_data)
{
  (*(guint *) user_data)++;
  return G_SOURCE_REMOVE;
}

/* Who waits for a slot is told once that one came back, and nobody is told who does not wait. */
static void
test_leases (void)
{
  g_auto (TeesqlStorageArena) arena = { .fd = -1 };
  g_autoptr (TeesqlStorageLender) lender = NULL;
  TeesqlStorageLease *leases[3] = { NULL };
  guint n_told = 0;

  g_assert_true (teesql_storage_arena_make (&arena, NULL));
  lender = teesql_storage_lender_new (&arena);
  teesql_storage_lender_watch (lender, g_main_context_default (), count_cb, &n_told);
  for (guint32 i = 0; i < 3; i++)
    leases[i] = teesql_storage_lease_new (lender, i, 10 + i);
  teesql_storage_arena_get (&arena, 1)[0] = 77;
  g_assert_cmpuint (leases[1]->data[0], ==, 77); /* another mapping of the same memory */
  g_assert_cmpuint (leases[1]->size, ==, 11);
  teesql_storage_lease_free (leases[0]);
  g_assert_true (teesql_storage_lender_await (lender));
  g_assert_cmpuint (teesql_storage_lender_collect (lender), ==, 1);
  g_assert_false (teesql_storage_lender_await (lender));
  teesql_storage_lease_free (leases[1]);
  teesql_storage_lease_free (leases[2]);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n_told, ==, 1);
  g_assert_cmpuint (teesql_storage_lender_collect (lender), ==, 6);
  g_assert_cmpuint (teesql_storage_lender_collect (lender), ==, 0);
  leases[0] = teesql_storage_lease_new (lender, 63, 1);
  teesql_storage_lender_unwatch (lender);
  g_assert_false (teesql_storage_lender_await (lender));
  teesql_storage_lease_free (leases[0]); /* nobody is left to be told */
  g_assert_cmpuint (n_told, ==, 1);
}

/* Two that came back before anybody was told: whoever stops listening hears of neither. */
static void
test_lease_untold (void)
{
  g_auto (TeesqlStorageArena) arena = { .fd = -1 };
  g_autoptr (TeesqlStorageLender) lender = NULL;
  guint n_told = 0;

  g_assert_true (teesql_storage_arena_make (&arena, NULL));
  lender = teesql_storage_lender_new (&arena);
  teesql_storage_lender_watch (lender, g_main_context_default (), count_cb, &n_told);
  for (guint32 i = 0; i < 2; i++)
    {
      TeesqlStorageLease *lease = teesql_storage_lease_new (lender, i, 1);

      g_assert_false (teesql_storage_lender_await (lender));
      teesql_storage_lease_free (lease);
      g_assert_cmpuint (teesql_storage_lender_collect (lender), ==, (guint64) 1 << i);
    }
  teesql_storage_lender_unwatch (lender);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (n_told, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/protocol/reads-what-it-wrote", test_round_trip);
  g_test_add_func ("/storage/protocol/keeps-the-directions-apart", test_directions);
  g_test_add_func ("/storage/protocol/refuses-every-cut-and-every-byte-more", test_every_cut);
  g_test_add_func ("/storage/protocol/refuses-text-that-is-not-printable", test_unprintable);
  g_test_add_func ("/storage/protocol/carries-errors", test_errors_arrive);
  g_test_add_func ("/storage/protocol/tames-errors", test_errors_are_tamed);
  g_test_add_func ("/storage/protocol/takes-no-more-objects-than-were-asked-for", test_too_many_items);
  g_test_add_func ("/storage/protocol/objects that are none are refused", test_no_items);
  g_test_add_func ("/storage/protocol/greets", test_greeting);
  g_test_add_func ("/storage/sandbox/reads-paths-and-ports", test_sandbox);
  g_test_add_func ("/storage/sandbox/refuses-nonsense", test_sandbox_nonsense);
  g_test_add_func ("/storage/sandbox/finds-the-port-of-an-endpoint", test_ports);
  g_test_add_func ("/storage/slots/belong-to-one-call-at-a-time", test_slots);
  g_test_add_func ("/storage/protocol/lends-each-run-once", test_runs);
  g_test_add_func ("/storage/protocol/lends-a-filled-slot-and-hears-when-it-is-back", test_leases);
  g_test_add_func ("/storage/protocol/tells-nobody-who-has-stopped-listening", test_lease_untold);
  return g_test_run ();
}
