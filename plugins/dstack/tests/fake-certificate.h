#pragma once
#include <gio/gio.h>

/* What makes a leaf wrong. */
typedef enum
{
  FAKE_LEAF_GOOD,
  FAKE_LEAF_NO_EVIDENCE,
  FAKE_LEAF_NO_CLIENT_USAGE,
  FAKE_LEAF_P384,
  FAKE_LEAF_OLD,
  FAKE_LEAF_OTHER_KEY, /* the key returned is not that of the leaf */
} FakeLeaf;

/* (transfer full): `{"key": PEM, "certificate_chain": [PEM, …]}` with @n_chain copies of the leaf, as GetTlsKey answers */
char *fake_tls_key_json (FakeLeaf kind, guint n_chain, gint64 not_before_unix, gint64 not_after_unix);
