#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* Locked memory for many small values: slots of a few sizes in shared locked pages, so that a thousand passwords cost some
 * dozen mappings and not three thousand. Larger values get a mapping of their own. Thread safe, private to base. */
guint8 *teesql_locked_slab_alloc (gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_locked_slab_free (guint8 *data, gsize size); /* wipes */

G_END_DECLS
