#pragma once
#include "backup/teesql-pg-session.h"

G_BEGIN_DECLS

/**
 * TeesqlSlot:
 * @restart_lsn: the server keeps WAL from here on; 0: it keeps none (the slot was invalidated, or never reserved any)
 * @restart_timeline: the one that @restart_lsn lies on
 */
typedef struct
{
  gboolean exists;
  guint64 restart_lsn;
  guint32 restart_timeline;
} TeesqlSlot;

/**
 * teesql_slot_read:
 *
 * Returns: %FALSE with REFUSED `slot-logical` for a slot of another kind
 */
gboolean teesql_slot_read (TeesqlPgSession *session, const char *name, TeesqlSlot *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* makes it, with WAL reserved from the last checkpoint on */
gboolean teesql_slot_make (TeesqlPgSession *session, const char *name, TeesqlSlot *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_slot_drop (TeesqlPgSession *session, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
