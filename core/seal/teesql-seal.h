#pragma once
/* Sealed objects, byte for byte as docs/sealed-format.md says. Pure: bytes in, bytes out; segments may be sealed and opened on any thread.
 */
#include "seal/teesql-epoch-keys.h"

G_BEGIN_DECLS

#define TEESQL_SEAL_SEGMENT_SIZE    ((gsize) 1024 * 1024) /* plaintext of every segment but the last */
#define TEESQL_SEAL_TAG_SIZE        ((gsize) 16)
#define TEESQL_SEAL_HEADER_MAX      ((gsize) 1024)
#define TEESQL_SEAL_PLAIN_MAX       ((guint64) 64 << 30)          /* of one object */
#define TEESQL_SEAL_BYTES_MAX       ((gsize) 80 * 1024 * 1024)    /* of one that is sealed or opened in one call */
#define TEESQL_SEAL_BACKUP_ID_SIZE  16
#define TEESQL_SEAL_COMMITMENT_SIZE 32

/**
 * TeesqlSealContext:
 * @system_identifier: of the PostgreSQL cluster; 0 for catalog records
 * @timeline: 0 for what belongs to none
 * @backup_id: zeros for what belongs to no base backup (WAL, catalog)
 * @simulated: the keys come from a simulator (SR-7): a production node refuses the object, and the reverse
 * @name: below the repository root, as teesql_storage_name_is_valid() wants it
 *
 * what an object is and where it stands, authenticated with it (SR-18). The cluster id is that of the keys. A reader says what it
 * expects and gets exactly that object or an error.
 */
typedef struct
{
  guint64 system_identifier;
  guint32 timeline;
  guint8 backup_id[TEESQL_SEAL_BACKUP_ID_SIZE];
  gboolean simulated;
  const char *name;
} TeesqlSealContext;

/**
 * TeesqlSealWriter:
 *
 * one encoder run: a fresh salt, so keys and nonces that nobody else has. A retry resends the bytes that were made; it never makes them
 * again.
 */
typedef struct _TeesqlSealWriter TeesqlSealWriter;
TeesqlSealWriter *teesql_seal_writer_new (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_seal_writer_free (TeesqlSealWriter *self);
const guint8 *teesql_seal_writer_get_header (const TeesqlSealWriter *self, gsize *out_size);
const guint8 *teesql_seal_writer_get_commitment (const TeesqlSealWriter *self); /* names this very object */
/**
 * teesql_seal_writer_seal:
 * @index: 0, 1, …; each sealed once (a second time is refused)
 * @plain: %TEESQL_SEAL_SEGMENT_SIZE bytes, or with @last 1 to that many; 0 only for the one segment of an empty object
 * @out: (array): @size + %TEESQL_SEAL_TAG_SIZE bytes of private memory, never shared with another process: the tag is computed over what is
 * read back. May be @plain
 *
 * thread safe
 */
gboolean teesql_seal_writer_seal (TeesqlSealWriter *self, guint32 index, gboolean last, const guint8 *plain, gsize size, guint8 *out,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the whole object of a writer that has sealed nothing yet; at most %TEESQL_SEAL_BYTES_MAX of plaintext */
GBytes *teesql_seal_writer_seal_bytes (TeesqlSealWriter *self, GBytes *plain, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlSealReader:
 *
 * an object whose header is the one that was asked for and whose key is here. Of its content nothing is known until it was opened.
 */
typedef struct _TeesqlSealReader TeesqlSealReader;
/**
 * teesql_seal_reader_new:
 * @data: (array length=size): the beginning of the object, at least its header; %TEESQL_SEAL_HEADER_MAX bytes always suffice
 * @out_header_size: where segment 0 begins
 *
 * Returns: (transfer full) (nullable): %NULL with MALFORMED (`seal-magic`, `seal-version`, …), NOT_FOUND `key-epoch-absent`, REFUSED
 *   `seal-context` (it is another object: which field, expected, found), `seal-commitment` (another key), `seal-simulated`; all in
 * #TEESQL_BACKUP_ERROR
 */
TeesqlSealReader *teesql_seal_reader_new (const TeesqlSealContext *expected, TeesqlEpochKeys *keys, const guint8 *data, gsize size,
                                          gsize *out_header_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_seal_reader_free (TeesqlSealReader *self);
const guint8 *teesql_seal_reader_get_commitment (const TeesqlSealReader *self);
guint32 teesql_seal_reader_get_epoch (const TeesqlSealReader *self);
gsize teesql_seal_reader_get_header_size (const TeesqlSealReader *self);
/**
 * teesql_seal_reader_open:
 * @sealed: (array length=size): a whole segment with its tag, in private memory
 * @last: whether the object ends behind it: the caller knows the object's size, and the tag knows the truth
 * @out: @size - %TEESQL_SEAL_TAG_SIZE bytes, wiped on failure. May be @sealed
 *
 * thread safe. Returns: %FALSE with INTEGRITY `seal-tag`, MALFORMED `seal-size`
 */
gboolean teesql_seal_reader_open (TeesqlSealReader *self, guint32 index, gboolean last, const guint8 *sealed, gsize size, guint8 *out,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @sealed: the whole object, header included; at most %TEESQL_SEAL_BYTES_MAX of plaintext. All of it or nothing */
GBytes *teesql_seal_reader_open_bytes (TeesqlSealReader *self, GBytes *sealed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* sealed size of @plain bytes under a header of @header bytes; the reverse, with MALFORMED `seal-size` for sizes no object can have */
guint64 teesql_seal_sealed_size (gsize header, guint64 plain);
gboolean teesql_seal_plain_size (gsize header, guint64 sealed, guint64 *out_plain, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* whole small objects */
GBytes *teesql_seal_bytes (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch, GBytes *plain, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
GBytes *teesql_unseal_bytes (const TeesqlSealContext *expected, TeesqlEpochKeys *keys, GBytes *sealed, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* SR-17: known answers through this very code; a program that seals calls it at start and does not go on without */
gboolean teesql_seal_self_test (GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSealWriter, teesql_seal_writer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSealReader, teesql_seal_reader_free)
G_END_DECLS
