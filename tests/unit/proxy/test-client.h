#pragma once
#include <gio/gio.h>
#include <gnutls/gnutls.h>
#include <teesql/teesql-tls-identity.h>

/* A client that speaks the protocol by hand, blocking, with a deadline of 20 s for every wait. */
typedef struct
{
  int fd;
  gnutls_session_t tls;
  gnutls_certificate_credentials_t credentials;
  GByteArray *in;
  guint32 cancel_pid;
  guint8 cancel_key[4];
  gboolean saw_plus;
  gboolean saw_negotiate;
} TestClient;

typedef struct
{
  char type; /* 0: the connection ended */
  guint8 *body;
  gsize size;
} TestMessage;

TestClient *test_client_new (guint16 port);
void test_client_free (TestClient *self); /* without a word */
void test_client_send (TestClient *self, const void *data, gsize size);
gsize test_client_receive (TestClient *self, void *out, gsize size); /* up to @size; 0 at the end */
void test_client_assert_ended (TestClient *self);                    /* nothing but the end comes */
void test_client_close_write (TestClient *self);                     /* close_notify and FIN */

char test_client_request_tls (TestClient *self); /* the answer to SSLRequest */
gboolean test_client_start_tls (TestClient *self, TeesqlTlsIdentity *identity, const char *alpn);
void test_client_send_startup (TestClient *self, const char *const *pairs);
void test_client_send_message (TestClient *self, char type, const void *body, gsize size);
TestMessage test_client_read (TestClient *self);
void test_message_clear (TestMessage *self);
char *test_message_get_field (const TestMessage *self, char field); /* of an ErrorResponse */

typedef struct
{
  const char *user;
  const char *secret;
  gboolean plus;
  const char *gs2; /* instead of ours, to lie */
} TestLogin;
/* After the startup packet: up to ReadyForQuery, or the error. */
TestMessage test_client_log_in (TestClient *self, const TestLogin *login);
void test_client_assert_error (TestClient *self, const char *sqlstate, const char *text);
void test_message_assert_error (TestMessage *self, const char *sqlstate, const char *text);
void test_client_query (TestClient *self, const char *statement);
guint test_client_count_rows (TestClient *self, GString *last); /* up to ReadyForQuery */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestClient, test_client_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TestMessage, test_message_clear)
