#include "simulator/teesql-sim-collateral.h"
#include "simulator/teesql-sim-der.h"

#define REVOKED_UNIX ((gint64) 1735689600) /* 2025-01-01 */

static const TeesqlSimAuthority *
get_issuer (const TeesqlSimPlatform *platform, TeesqlSimCrl which)
{
  switch (which)
    {
    case TEESQL_SIM_CRL_ROOT:
      return platform->root;
    case TEESQL_SIM_CRL_PLATFORM:
      return platform->platform_ca;
    case TEESQL_SIM_CRL_PROCESSOR:
      return platform->processor_ca;
    }
  g_return_val_if_reached (NULL);
}

static void
add_signature_algorithm (GByteArray *out)
{
  GByteArray *algorithm = g_byte_array_new ();

  teesql_sim_der_add_oid (algorithm, "1.2.840.10045.4.3.2"); /* ecdsa-with-SHA256 */
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, algorithm);
}

static gboolean
add_issuer_name (GByteArray *out, gnutls_x509_crt_t issuer, GError **error)
{
  gnutls_datum_t name = { NULL, 0 };
  int code = gnutls_x509_crt_get_raw_dn (issuer, &name);

  if (code != 0)
    return teesql_sim_gnutls_failed (code, "reading a name", error);
  teesql_sim_der_add_raw (out, name.data, name.size);
  gnutls_free (name.data);
  return TRUE;
}

static void
add_revoked (GByteArray *out, const guint8 serial[20])
{
  GByteArray *entry = g_byte_array_new ();

  teesql_sim_der_add_serial (entry, serial, 20);
  teesql_sim_der_add_time (entry, REVOKED_UNIX);
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, entry);
}

/* the platform's known-bad serial always; under `revoked-pck` whatever else this machine may have shown */
static gboolean
add_revoked_list (GByteArray *out, const TeesqlSimCollateral *self, GError **error)
{
  g_autoptr (GByteArray) list = g_byte_array_new ();
  gboolean own = self->machine != NULL && (self->state->faults & TEESQL_SIM_FAULT_REVOKED_PCK) != 0;

  add_revoked (list, self->platform->revoked_serial);
  for (guint i = 0; own && i < TEESQL_SIM_TCB_N_STATUSES; i++)
    {
      guint8 serial[20];

      if (!teesql_sim_platform_get_pck_serial (self->platform, self->machine, (TeesqlSimTcbStatus) i, serial, error))
        return FALSE;
      add_revoked (list, serial);
    }
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, g_steal_pointer (&list));
  return TRUE;
}

/* @value: (transfer full) */
static void
add_extension (GByteArray *out, const char *oid, GByteArray *value)
{
  GByteArray *extension = g_byte_array_new ();

  teesql_sim_der_add_oid (extension, oid);
  teesql_sim_der_close (extension, TEESQL_SIM_DER_OCTET_STRING, value);
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, extension);
}

static void
add_extensions (GByteArray *out, const TeesqlSimKey *issuer_key, guint64 number)
{
  GByteArray *extensions = g_byte_array_new ();
  GByteArray *wrapper = g_byte_array_new ();
  GByteArray *crl_number = g_byte_array_new ();
  GByteArray *authority = g_byte_array_new ();
  GByteArray *authority_value = g_byte_array_new ();
  guint8 key_id[20];

  teesql_sim_der_add_unsigned (crl_number, TEESQL_SIM_DER_INTEGER, number);
  add_extension (extensions, "2.5.29.20", crl_number);
  teesql_sim_x509_key_id (issuer_key, key_id);
  teesql_sim_der_add (authority, 0x80, key_id, sizeof key_id); /* [0] IMPLICIT keyIdentifier */
  teesql_sim_der_close (authority_value, TEESQL_SIM_DER_SEQUENCE, authority);
  add_extension (extensions, "2.5.29.35", authority_value);
  teesql_sim_der_close (wrapper, TEESQL_SIM_DER_SEQUENCE, extensions);
  teesql_sim_der_close (out, TEESQL_SIM_DER_EXPLICIT_0, wrapper);
}

/* rises from day to day and with each change */
static guint64
get_number (const TeesqlSimCollateral *self, gint64 issued_unix)
{
  return (guint64) (issued_unix / 86400) * 1000 + self->state->generation % 1000;
}

static GByteArray *
make_to_be_signed (const TeesqlSimCollateral *self, TeesqlSimCrl which, gint64 now_unix, GError **error)
{
  const TeesqlSimAuthority *issuer = get_issuer (self->platform, which);
  g_autoptr (GByteArray) content = g_byte_array_new ();
  GByteArray *out;
  gint64 next_unix;
  gint64 issued_unix = teesql_sim_collateral_get_dates (self, now_unix, &next_unix);

  teesql_sim_der_add_unsigned (content, TEESQL_SIM_DER_INTEGER, 1); /* version 2 */
  add_signature_algorithm (content);
  if (!add_issuer_name (content, issuer->certificate, error))
    return NULL;
  teesql_sim_der_add_time (content, issued_unix);
  teesql_sim_der_add_time (content, next_unix);
  if (which == TEESQL_SIM_CRL_PLATFORM && !add_revoked_list (content, self, error))
    return NULL;
  add_extensions (content, issuer->key, get_number (self, issued_unix));
  out = g_byte_array_new ();
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, g_steal_pointer (&content));
  return out;
}

GBytes *
teesql_sim_collateral_make_crl (const TeesqlSimCollateral *self, TeesqlSimCrl which, gint64 now_unix, GError **error)
{
  g_autoptr (GByteArray) body = make_to_be_signed (self, which, now_unix, error);
  g_autoptr (GBytes) signature = NULL;
  g_autoptr (GByteArray) content = NULL;
  GByteArray *out;
  gsize size = 0;
  const guint8 *data;

  if (body == NULL || !teesql_sim_key_sign_der (get_issuer (self->platform, which)->key, body->data, body->len, &signature, error))
    return NULL;
  content = g_byte_array_new ();
  teesql_sim_der_add_raw (content, body->data, body->len);
  add_signature_algorithm (content);
  data = g_bytes_get_data (signature, &size);
  teesql_sim_der_add_bits (content, data, size);
  out = g_byte_array_new ();
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, g_steal_pointer (&content));
  return g_byte_array_free_to_bytes (out);
}
