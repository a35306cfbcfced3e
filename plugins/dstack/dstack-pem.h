#pragma once
#include "dstack-buffer.h"

/**
 * dstack_pem_decode:
 * @text: one PEM block and blanks around it
 * @label: `PRIVATE KEY`, `CERTIFICATE`
 * @out: receives the DER, so for keys a locked buffer
 *
 * GnuTLS's own decoder works on its heap; this one leaves the key in locked memory. Strict base64, no headers.
 * Errors: #TEESQL_PARSE_ERROR, reason `agent-pem`
 */
gboolean dstack_pem_decode (const guint8 *text, gsize size, const char *label, DstackBuffer *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
