#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * DcapLru:
 *
 * bounded table keyed by SHA-256. Not thread safe.
 */
typedef struct _DcapLru DcapLru;

DcapLru *dcap_lru_new (guint max, GDestroyNotify free_value);
void dcap_lru_free (DcapLru *self);
/* Returns: (nullable) (transfer none) */
gpointer dcap_lru_get (DcapLru *self, const guint8 digest[32]);
/* @value: (transfer full) */
void dcap_lru_put (DcapLru *self, const guint8 digest[32], gpointer value);

G_END_DECLS
