#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * DcapSeen:
 *
 * pairs of certificates, by digest, of which the one was found to be signed by the other: root, authority and TCB signer stand in several
 * chains of one question. Only successes are kept; bounded; thread safe.
 */
typedef struct _DcapSeen DcapSeen;

DcapSeen *dcap_seen_new (guint max);
void dcap_seen_free (DcapSeen *self);
gboolean dcap_seen_contains (DcapSeen *self, const guint8 pair[32]) TEESQL_MUST_USE;
void dcap_seen_add (DcapSeen *self, const guint8 pair[32]);

G_END_DECLS
