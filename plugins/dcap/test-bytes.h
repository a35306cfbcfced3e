#pragma once
/* Writing bytes by hand, for tests. */
#include <glib.h>

G_BEGIN_DECLS

void test_copy (guint8 *out, const guint8 *in, gsize size);
void test_put (GByteArray *out, gconstpointer data, gsize size);
void test_put_le (GByteArray *out, guint64 value, guint size);
void test_put_hex (GByteArray *out, const char *hex);
/* @content: (transfer full) */
void test_put_tlv (GByteArray *out, guint8 tag, GByteArray *content);
void test_put_tlv_bytes (GByteArray *out, guint8 tag, gconstpointer data, gsize size);
void test_put_integer (GByteArray *out, guint8 tag, guint64 value);

G_END_DECLS
