#pragma once
/* An imaginary Trust Authority: its key, its chain, and tokens about a quote, true or not. */
#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  TEST_SIGN_PS384,
  TEST_SIGN_RS256,
  TEST_SIGN_HS256, /* keyed with the public key, as forgers do */
  TEST_SIGN_STRANGER,
} TestSign;

#define TEST_ISSUER  "https://portal.example"
#define TEST_KEY_URL TEST_ISSUER "/certs"

/* `{"alg":"PS384","kid":"key-0","typ":"JWT"}` */
char *test_authority_header (void);
/* what an honest authority says about @quote at @now; @nested: version 2 */
char *test_authority_claims (GBytes *quote, gint64 now, gboolean nested);
char *test_authority_sign (const char *header, const char *claims, TestSign sign);
char *test_base64url (const guint8 *data, gsize size);
/* the set with that key under @kid */
char *test_authority_key_set (const char *kid);
/* one JWK: @bits of the key's modulus that are left, @exponent in base64url, @chain: letters of the certificates in x5c: l c r */
char *test_authority_key (const char *kid, const char *exponent, const char *chain);
/* likewise, its authority in the middle with a key of those sizes in bytes */
char *test_authority_costly_key_set (const char *kid, gsize modulus, gsize exponent);
void test_authority_root_digest (guint8 out[32]);
void test_authority_free (void);
/* the first @from becomes @to; fails the test when there is none */
char *test_replace (const char *text, const char *from, const char *to);

G_END_DECLS
