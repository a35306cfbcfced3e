#pragma once
#include <gnutls/x509.h>
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crl_t, gnutls_x509_crl_deinit, NULL)

/* Takes what a GnuTLS getter allocated. */
GBytes *dcap_x509_take_datum (gnutls_datum_t *datum);
/* Serial numbers compare as numbers: leading zero bytes are an accident of encoding. */
GBytes *dcap_x509_serial_new (const guint8 *data, gsize size);
char *dcap_x509_date_text (gint64 unix_seconds);
/**
 * dcap_x509_next_pem:
 * @io_text: text left, moved behind the block
 *
 * finds one CERTIFICATE block; between blocks there is white space only.
 *
 * Returns: %FALSE at the end (then *out_block is %NULL) or, with @out_block untouched, when there is anything else
 */
gboolean dcap_x509_next_pem (const char **io_text, const char *end, const char **out_block, gsize *out_size) TEESQL_MUST_USE;

G_END_DECLS
