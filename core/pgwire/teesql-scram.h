#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

#define TEESQL_SCRAM_KEY_SIZE       32
#define TEESQL_SCRAM_SALT_SIZE      16
#define TEESQL_SCRAM_MAX_SALT       64
#define TEESQL_SCRAM_MIN_ITERATIONS 4096
#define TEESQL_SCRAM_MAX_ITERATIONS 1000000 /* ours; a foreign server may ask for at most TEESQL_SCRAM_MAX_FOREIGN */
#define TEESQL_SCRAM_MAX_FOREIGN    65536
#define TEESQL_SCRAM_MAX_MESSAGE    ((gsize) 2048)
#define TEESQL_SCRAM_CANDIDATES     4

/**
 * TeesqlScramVerifier:
 *
 * `SCRAM-SHA-256$rounds:salt$StoredKey:ServerKey`, as PostgreSQL keeps it
 */
typedef struct {
  guint iterations;
  guint8 salt[TEESQL_SCRAM_MAX_SALT];
  gsize salt_size;
  guint8 stored_key[TEESQL_SCRAM_KEY_SIZE];
  guint8 server_key[TEESQL_SCRAM_KEY_SIZE];
} TeesqlScramVerifier;

gboolean teesql_scram_verifier_parse (const char *text, TeesqlScramVerifier *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_scram_verifier_format (const TeesqlScramVerifier *self) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_scram_verifier_decoy:
 * @seed: 32 bytes that an outsider cannot know (design 5, `role-decoy`)
 * @index: place among the candidates
 *
 * fills a place that must never match: looks and costs like a real one, is stable for a role, and stands with `real` %FALSE
 */
void teesql_scram_verifier_decoy (TeesqlSecret *seed, guint index, const guint8 *salt, gsize salt_size, guint iterations, TeesqlScramVerifier *out);

/**
 * TeesqlScramKeys:
 *
 * ClientKey and ServerKey of one password under one salt and count, in one #TeesqlSecret: what a login needs instead of PBKDF2
 */
/* UNSUPPORTED `scram-password` for bytes outside ASCII: no SASLprep here, and nothing of ours needs it */
TeesqlSecret *teesql_scram_keys_new (TeesqlSecret *password, const guint8 *salt, gsize salt_size, guint iterations, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* 64 bytes: ClientKey ‖ ServerKey; blocks for the rounds */
/**
 * teesql_scram_keys_match:
 *
 * Returns: whether @keys were made from the password behind @verifier (under its salt and rounds); constant time
 */
gboolean teesql_scram_keys_match (TeesqlSecret *keys, const TeesqlScramVerifier *verifier) G_GNUC_WARN_UNUSED_RESULT;
void teesql_scram_keys_to_verifier (TeesqlSecret *keys, const guint8 *salt, gsize salt_size, guint iterations, TeesqlScramVerifier *out);

/**
 * TeesqlScramServer:
 *
 * our side toward a client: one exchange. The proof is tested against exactly %TEESQL_SCRAM_CANDIDATES verifiers in constant time.
 * Pure over bytes; the nonce is given. Not thread safe.
 */
typedef struct _TeesqlScramServer TeesqlScramServer;

typedef struct {
  const guint8 *salt;
  gsize salt_size;
  guint iterations;
  gboolean plus_offered;
  const guint8 *channel_binding; /* (nullable): tls-server-end-point of our certificate */
  gsize channel_binding_size;
  const TeesqlScramVerifier *candidates; /* TEESQL_SCRAM_CANDIDATES of them, copied */
  const gboolean *real;                  /* which of them may succeed, copied */
  const char *server_nonce;              /* printable without comma; 24 characters */
} TeesqlScramServerOptions;

TeesqlScramServer *teesql_scram_server_new (const TeesqlScramServerOptions *options) G_GNUC_WARN_UNUSED_RESULT;
void teesql_scram_server_free (TeesqlScramServer *self);
/* client-first (with the mechanism the client chose) -> server-first. Errors: #TEESQL_PROTOCOL_ERROR, `scram-malformed`, `scram-downgrade`, `scram-mechanism` */
char *teesql_scram_server_first (TeesqlScramServer *self, const char *mechanism, const char *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* client-final -> server-final. `scram-malformed`, `scram-nonce`, REFUSED `scram-channel-binding`, and REFUSED `authentication-failed` when no real candidate fits; *out_candidate tells which did */
char *teesql_scram_server_final (TeesqlScramServer *self, const char *data, gsize size, guint *out_candidate, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlScramClient:
 *
 * our side toward a server (PostgreSQL, or teesqld from `teesql connect`)
 */
typedef struct _TeesqlScramClient TeesqlScramClient;
/* @channel_binding: (nullable): with it the mechanism is SCRAM-SHA-256-PLUS; @nonce printable */
TeesqlScramClient *teesql_scram_client_new (const char *nonce, const guint8 *channel_binding, gsize channel_binding_size) G_GNUC_WARN_UNUSED_RESULT;
void teesql_scram_client_free (TeesqlScramClient *self);
char *teesql_scram_client_first (TeesqlScramClient *self) G_GNUC_WARN_UNUSED_RESULT;
/* server-first: `scram-malformed`, `scram-nonce`, REFUSED `scram-iterations`; after it, salt and rounds are known (bounded) and the caller finds or makes the keys */
gboolean teesql_scram_client_take_first (TeesqlScramClient *self, const char *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const guint8 *teesql_scram_client_get_salt (const TeesqlScramClient *self, gsize *out_size, guint *out_iterations);
/* UNSUPPORTED `scram-order` where the steps are not taken in turn */
char *teesql_scram_client_final (TeesqlScramClient *self, TeesqlSecret *keys, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* server-final: the server knows the key too. REFUSED `server-signature` */
gboolean teesql_scram_client_check_final (TeesqlScramClient *self, const char *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;

char *teesql_scram_nonce (void) G_GNUC_WARN_UNUSED_RESULT; /* 24 characters from the system's generator */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlScramServer, teesql_scram_server_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlScramClient, teesql_scram_client_free)
G_END_DECLS
