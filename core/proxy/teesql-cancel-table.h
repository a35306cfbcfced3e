#pragma once
#include <glib.h>

G_BEGIN_DECLS

#define TEESQL_CANCEL_KEY_SIZE     ((gsize) 4) /* protocol 3.0 */
#define TEESQL_CANCEL_MAX_KEY_SIZE ((gsize) 256)

/**
 * TeesqlCancelTarget:
 *
 * PostgreSQL's own pair, which no client ever sees.
 */
typedef struct
{
  guint32 pid;
  guint8 key[TEESQL_CANCEL_MAX_KEY_SIZE];
  gsize key_size;
} TeesqlCancelTarget;

/**
 * TeesqlCancelTable:
 *
 * cancel keys that we gave out. Process id and key are both random: 63 bits that only the session's own client was told. Thread safe,
 * since a cancel request arrives on another connection and so perhaps on another worker.
 */
typedef struct _TeesqlCancelTable TeesqlCancelTable;

TeesqlCancelTable *teesql_cancel_table_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_cancel_table_free (TeesqlCancelTable *self);
void teesql_cancel_table_add (TeesqlCancelTable *self, const TeesqlCancelTarget *target, guint32 *out_pid,
                              guint8 out_key[TEESQL_CANCEL_KEY_SIZE]);
void teesql_cancel_table_remove (TeesqlCancelTable *self, guint32 pid);
/**
 * teesql_cancel_table_lookup:
 *
 * Returns: %FALSE for a pair that nobody was given; the key is compared in constant time
 */
gboolean teesql_cancel_table_lookup (TeesqlCancelTable *self, guint32 pid, const guint8 *key, gsize key_size,
                                     TeesqlCancelTarget *out_target) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_cancel_table_get (TeesqlCancelTable *self, guint32 pid, TeesqlCancelTarget *out_target)
    G_GNUC_WARN_UNUSED_RESULT; /* our own use */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlCancelTable, teesql_cancel_table_free)
G_END_DECLS
