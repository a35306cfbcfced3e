#include "backup/teesql-head.h"

#include "backup/teesql-state-file.h"
#include "base/teesql-cursor.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "keys/teesql-keys.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <unistd.h>

/* Two slots, written in turn: a write that a crash cuts short leaves the other one whole, so each costs one fsync and no new name
 * (docs/repository.md, the head). */
#define N_SLOTS       2u
#define SLOT_DISTANCE ((gsize) 4096) /* no two slots in one block of a disk */
#define SLOT_SIZE     ((gsize) 512)
#define FILE_SIZE     (N_SLOTS * SLOT_DISTANCE)
#define MAGIC         "TSQLHEAD"
#define VERSION       1
#define MAC_LABEL     "teesql-head-v1"
#define MAC_SIZE      TEESQL_SHA256_SIZE
#define BODY_SIZE     (SLOT_SIZE - MAC_SIZE)

#define CLUSTER_ID_TEXT ((gsize) TEESQL_CLUSTER_ID_SIZE * 2 + 1)

#define malformed(error, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "head-form", __VA_ARGS__)

TeesqlSecret *
teesql_head_derive_key (TeesqlSecret *kms_key_epoch_0, const char *member, GError **error)
{
  return teesql_keys_derive (kms_key_epoch_0, "head-mac", (const guint8 *) member, strlen (member), error);
}

static void
make_mac (TeesqlSecret *mac_key, const guint8 *body, guint8 out[MAC_SIZE])
{
  gsize size = 0;
  const guint8 *key = teesql_secret_peek (mac_key, &size);
  const TeesqlDigestPart parts[] = { { MAC_LABEL, strlen (MAC_LABEL) }, { body, BODY_SIZE } };

  teesql_hmac_sha256 (out, key, size, parts, G_N_ELEMENTS (parts));
}

/* reading */

static gboolean
read_flag (TeesqlCursor *cursor, const char *field, gboolean *out, GError **error)
{
  guint8 value = 0;

  if (!teesql_cursor_u8 (cursor, field, &value, error))
    return FALSE;
  if (value > 1)
    return teesql_cursor_fail (cursor, error, "head-form", "%s: %u", field, value);
  *out = value == 1;
  return TRUE;
}

static gboolean
read_lineage (TeesqlCursor *cursor, TeesqlLineage *out, GError **error)
{
  const guint8 *text = NULL;
  guint32 generation = 0;

  if (!teesql_cursor_take (cursor, "lineage", TEESQL_LINEAGE_SIZE, &text, error))
    return FALSE;
  if (text[TEESQL_LINEAGE_SIZE - 1] != '\0' || !teesql_lineage_parse ((const char *) text, TEESQL_LINEAGE_SIZE - 1, out, &generation))
    return teesql_cursor_fail (cursor, error, "head-form", "no lineage");
  return TRUE;
}

static gboolean
read_range (TeesqlCursor *cursor, TeesqlWalRange *out, GError **error)
{
  guint64 end_unix = 0;

  if (!teesql_cursor_u32_be (cursor, "noted timeline", &out->timeline, error) ||
      !teesql_cursor_u64_be (cursor, "noted start", &out->start_lsn, error) ||
      !teesql_cursor_u64_be (cursor, "noted end", &out->end_lsn, error) || !teesql_cursor_u64_be (cursor, "noted time", &end_unix, error))
    return FALSE;
  if (out->timeline == 0 || out->start_lsn >= out->end_lsn || end_unix > G_MAXINT64)
    return teesql_cursor_fail (cursor, error, "head-form", "noted WAL that is none");
  out->end_unix = (gint64) end_unix;
  return TRUE;
}

static gboolean
read_noted (TeesqlCursor *cursor, TeesqlHead *out, GError **error)
{
  guint8 n = 0;

  if (!teesql_cursor_u8 (cursor, "noted count", &n, error))
    return FALSE;
  if (n > TEESQL_HEAD_NOTED_MAX)
    return teesql_cursor_fail (cursor, error, "head-form", "%u noted ranges, at most %u", n, TEESQL_HEAD_NOTED_MAX);
  out->n_noted = n;
  for (guint i = 0; i < n; i++)
    if (!read_range (cursor, &out->noted[i], error))
      return FALSE;
  return TRUE;
}

static gboolean
read_padding (TeesqlCursor *cursor, GError **error)
{
  const guint8 *rest = NULL;
  gsize size = teesql_cursor_remaining (cursor);

  if (!teesql_cursor_take (cursor, "padding", size, &rest, error))
    return FALSE;
  for (gsize i = 0; i < size; i++)
    if (rest[i] != 0)
      return teesql_cursor_fail (cursor, error, "head-form", "bytes behind the last field");
  return TRUE;
}

static gboolean
read_body (TeesqlCursor *cursor, TeesqlHead *out, GError **error)
{
  return teesql_cursor_copy (cursor, "cluster id", out->cluster_id, sizeof out->cluster_id, error) &&
         read_lineage (cursor, &out->lineage, error) && teesql_cursor_u64_be (cursor, "sequence", &out->sequence, error) &&
         teesql_cursor_copy (cursor, "digest", out->digest, sizeof out->digest, error) &&
         read_flag (cursor, "pending", &out->pending, error) &&
         teesql_cursor_copy (cursor, "pending digest", out->pending_digest, sizeof out->pending_digest, error) &&
         teesql_cursor_u64_be (cursor, "system identifier", &out->system_identifier, error) &&
         teesql_cursor_u32_be (cursor, "timeline", &out->timeline, error) && teesql_cursor_u64_be (cursor, "lsn", &out->lsn, error) &&
         teesql_cursor_u32_be (cursor, "epoch", &out->epoch, error) &&
         teesql_cursor_copy (cursor, "check value", out->check_value, sizeof out->check_value, error) && read_noted (cursor, out, error) &&
         read_padding (cursor, error);
}

/* One slot whose MAC was found right; then only a newer version can be at odds with this reader. */
static gboolean
read_slot (TeesqlCursor *cursor, TeesqlHead *out, guint64 *out_counter, GError **error)
{
  const guint8 *magic = NULL;
  guint32 version = 0;
  TeesqlHead head = { 0 };

  if (!teesql_cursor_take (cursor, "magic", strlen (MAGIC), &magic, error) || !teesql_cursor_u32_be (cursor, "version", &version, error) ||
      !teesql_cursor_u64_be (cursor, "counter", out_counter, error))
    return FALSE;
  if (memcmp (magic, MAGIC, strlen (MAGIC)) != 0 || version != VERSION)
    return teesql_cursor_fail (cursor, error, "head-form", "version %u, expected %d", version, VERSION);
  if (!read_body (cursor, &head, error))
    return FALSE;
  *out = head;
  return TRUE;
}

typedef struct
{
  TeesqlHead head;
  guint64 counter;
  gboolean valid;
} Slot;

static gboolean
take_slot (const guint8 *data, TeesqlSecret *mac_key, Slot *slot, GError **error)
{
  guint8 mac[MAC_SIZE];
  TeesqlCursor cursor;
  g_autoptr (GError) local = NULL;

  make_mac (mac_key, data, mac);
  if (gnutls_memcmp (mac, data + BODY_SIZE, MAC_SIZE) != 0)
    return TRUE;
  teesql_cursor_init (&cursor, "head", data, BODY_SIZE);
  if (!read_slot (&cursor, &slot->head, &slot->counter, &local))
    return malformed (error, "%s", local->message);
  slot->valid = TRUE;
  return TRUE;
}

/* The newest valid slot, or a negative number. */
static int
find_slot (const guint8 *data, gsize size, TeesqlSecret *mac_key, Slot slots[N_SLOTS], GError **error)
{
  int newest = -1;

  if (size != FILE_SIZE)
    {
      malformed (error, "head: %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT, size, FILE_SIZE);
      return -1;
    }
  for (guint i = 0; i < N_SLOTS; i++)
    if (!take_slot (data + i * SLOT_DISTANCE, mac_key, &slots[i], error))
      return -1;
  for (guint i = 0; i < N_SLOTS; i++)
    if (slots[i].valid && (newest < 0 || slots[i].counter > slots[newest].counter))
      newest = (int) i;
  if (newest < 0)
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "head-mac",
                 "head: no slot bears the MAC of this node's key\n"
                 "hint: somebody changed the file, or it belongs to another node or another KMS; `teesql backup accept` after a look at "
                 "the repository");
  return newest;
}

gboolean
teesql_head_parse (const guint8 *data, gsize size, TeesqlSecret *mac_key, TeesqlHead *out, GError **error)
{
  Slot slots[N_SLOTS] = { 0 };
  int newest = find_slot (data, size, mac_key, slots, error);

  if (newest < 0)
    return FALSE;
  *out = slots[newest].head;
  return TRUE;
}

static gboolean
rename_reason (GError **error, GError *found)
{
  const char *reason = teesql_error_get_reason (found);

  if (g_str_equal (reason, "state-absent"))
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "head-absent", "%s", found->message);
  else if (g_str_equal (reason, "state-permissions"))
    teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "head-permissions", "%s", found->message);
  else if (found->code == TEESQL_ERROR_MALFORMED)
    malformed (error, "%s", found->message);
  else
    {
      g_propagate_error (error, found);
      return FALSE;
    }
  g_error_free (found);
  return FALSE;
}

gboolean
teesql_head_load (const char *path, TeesqlSecret *mac_key, TeesqlHead *out, GError **error)
{
  GError *local = NULL;
  g_autoptr (GBytes) content = teesql_state_file_load (path, FILE_SIZE, &local);
  gsize size = 0;
  const guint8 *data = NULL;

  if (content == NULL)
    return rename_reason (error, local);
  data = g_bytes_get_data (content, &size);
  if (teesql_head_parse (data, size, mac_key, out, error))
    return TRUE;
  g_prefix_error (error, "%s: ", path);
  return FALSE;
}

/* writing */

static void
put_be (GByteArray *out, guint64 value, guint n_bytes)
{
  for (guint i = n_bytes; i > 0; i--)
    {
      guint8 byte = (guint8) (value >> (8 * (i - 1)));

      g_byte_array_append (out, &byte, 1);
    }
}

static void
put_noted (GByteArray *out, const TeesqlHead *head)
{
  put_be (out, head->n_noted, 1);
  for (guint i = 0; i < head->n_noted; i++)
    {
      put_be (out, head->noted[i].timeline, 4);
      put_be (out, head->noted[i].start_lsn, 8);
      put_be (out, head->noted[i].end_lsn, 8);
      put_be (out, (guint64) MAX (head->noted[i].end_unix, 0), 8);
    }
}

static GByteArray *
make_slot (const TeesqlHead *head, guint64 counter, TeesqlSecret *mac_key)
{
  GByteArray *out = g_byte_array_sized_new ((guint) SLOT_SIZE);
  guint8 mac[MAC_SIZE];
  guint used = 0;

  g_byte_array_append (out, (const guint8 *) MAGIC, strlen (MAGIC));
  put_be (out, VERSION, 4);
  put_be (out, counter, 8);
  g_byte_array_append (out, head->cluster_id, sizeof head->cluster_id);
  g_byte_array_append (out, (const guint8 *) head->lineage.text, TEESQL_LINEAGE_SIZE);
  put_be (out, head->sequence, 8);
  g_byte_array_append (out, head->digest, sizeof head->digest);
  put_be (out, head->pending ? 1 : 0, 1);
  g_byte_array_append (out, head->pending_digest, sizeof head->pending_digest);
  put_be (out, head->system_identifier, 8);
  put_be (out, head->timeline, 4);
  put_be (out, head->lsn, 8);
  put_be (out, head->epoch, 4);
  g_byte_array_append (out, head->check_value, sizeof head->check_value);
  put_noted (out, head);
  used = out->len;
  g_byte_array_set_size (out, (guint) BODY_SIZE);
  memset (out->data + used, 0, BODY_SIZE - used);
  make_mac (mac_key, out->data, mac);
  g_byte_array_append (out, mac, sizeof mac);
  return out;
}

static gboolean
store_first (const char *path, TeesqlSecret *mac_key, const TeesqlHead *head, GError **error)
{
  g_autoptr (GByteArray) file = make_slot (head, 1, mac_key);
  guint used = file->len;

  g_byte_array_set_size (file, (guint) FILE_SIZE);
  memset (file->data + used, 0, FILE_SIZE - used);
  return teesql_state_file_replace (path, file->data, file->len, error);
}

static gboolean
store_next (int fd, const char *path, TeesqlSecret *mac_key, const TeesqlHead *head, GError **error)
{
  guint8 file[FILE_SIZE];
  Slot slots[N_SLOTS] = { 0 };
  g_autoptr (GByteArray) slot = NULL;
  ssize_t size = pread (fd, file, sizeof file, 0);
  int newest = find_slot (file, size > 0 ? (gsize) size : 0, mac_key, slots, error);

  if (newest < 0)
    return FALSE;
  slot = make_slot (head, slots[newest].counter + 1, mac_key);
  return teesql_state_file_write_at (fd, path, slot->data, slot->len, (1 - (guint) newest) * SLOT_DISTANCE, error);
}

gboolean
teesql_head_store (const char *path, TeesqlSecret *mac_key, const TeesqlHead *head, GError **error)
{
  GError *local = NULL;
  int fd = -1;
  gboolean stored = FALSE;

  g_return_val_if_fail (head->n_noted <= TEESQL_HEAD_NOTED_MAX && strlen (head->lineage.text) == TEESQL_LINEAGE_SIZE - 1, FALSE);
  fd = teesql_state_file_open (path, O_RDWR, &local);
  if (fd < 0 && local->code == TEESQL_ERROR_NOT_FOUND)
    {
      g_error_free (local);
      return store_first (path, mac_key, head, error);
    }
  if (fd < 0)
    return rename_reason (error, local);
  stored = store_next (fd, path, mac_key, head, error);
  close (fd);
  return stored;
}

/* the cluster's id */

static gboolean
parse_cluster_id (const char *path, GBytes *content, guint8 out[TEESQL_CLUSTER_ID_SIZE], GError **error)
{
  gsize size = 0;
  const char *text = g_bytes_get_data (content, &size);

  if (size == CLUSTER_ID_TEXT && text[size - 1] == '\n' &&
      teesql_hex_decode_into (text, (gssize) size - 1, out, TEESQL_CLUSTER_ID_SIZE, NULL))
    return TRUE;
  return malformed (error, "%s: expected 64 hex digits and a line end", path);
}

static gboolean
write_cluster_id (const char *path, const guint8 id[TEESQL_CLUSTER_ID_SIZE], GError **error)
{
  g_autofree char *hex = teesql_hex_encode (id, TEESQL_CLUSTER_ID_SIZE);
  g_autofree char *line = g_strdup_printf ("%s\n", hex);
  g_autoptr (GError) local = NULL;

  if (teesql_state_file_create (path, line, strlen (line), &local) || local->code == TEESQL_ERROR_EXISTS)
    return TRUE; /* whoever was first: it is read back */
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
make_cluster_id (const char *path, GError **error)
{
  guint8 id[TEESQL_CLUSTER_ID_SIZE];
  int result = gnutls_rnd (GNUTLS_RND_KEY, id, sizeof id);

  if (result < 0)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "random", "no random bytes: %s", gnutls_strerror (result));
  return write_cluster_id (path, id, error);
}

static char *
dup_cluster_id_path (const char *state_directory)
{
  return g_build_filename (state_directory, "backup", "cluster-id", NULL);
}

gboolean
teesql_cluster_id_load (const char *state_directory, guint8 out[TEESQL_CLUSTER_ID_SIZE], GError **error)
{
  g_autofree char *path = dup_cluster_id_path (state_directory);
  g_autoptr (GBytes) content = teesql_state_file_load (path, CLUSTER_ID_TEXT, error);

  return content != NULL && parse_cluster_id (path, content, out, error);
}

gboolean
teesql_cluster_id_load_or_make (const char *state_directory, guint8 out[TEESQL_CLUSTER_ID_SIZE], GError **error)
{
  g_autofree char *path = dup_cluster_id_path (state_directory);
  g_autoptr (GError) local = NULL;

  if (teesql_cluster_id_load (state_directory, out, &local))
    return TRUE;
  if (!g_error_matches (local, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  return make_cluster_id (path, error) && teesql_cluster_id_load (state_directory, out, error);
}

gboolean
teesql_cluster_id_adopt (const char *state_directory, const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE], GError **error)
{
  g_autofree char *path = dup_cluster_id_path (state_directory);
  guint8 found[TEESQL_CLUSTER_ID_SIZE];

  if (!write_cluster_id (path, cluster_id, error) || !teesql_cluster_id_load (state_directory, found, error))
    return FALSE;
  if (memcmp (found, cluster_id, sizeof found) == 0)
    return TRUE;
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "cluster-id-differs",
                      "%s: this node belongs to another cluster than the one that was restored\n"
                      "hint: give the restored cluster a state-directory of its own",
                      path);
}
