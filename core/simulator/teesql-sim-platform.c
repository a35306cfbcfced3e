#include "simulator/teesql-sim-platform.h"
#include "simulator/teesql-sim-der.h"
#include <string.h>

#define SEED_SALT "teesql-simulator/v1"
#define SGX_OID   "1.2.840.113741.1.13.1"

/* fixed, since certificates must not differ between processes: 2024-01-01 to the end of 2049 */
#define NOT_BEFORE_UNIX ((gint64) 1704067200)
#define NOT_AFTER_UNIX  ((gint64) 2524607999)

TeesqlSecret *
teesql_sim_platform_derive_secret (const TeesqlSimPlatform *self, const char *label, const char *context, GError **error)
{
  const TeesqlDigestPart info[] = {
    { label, strlen (label) + 1 }, /* its NUL ends the label */
    { context, context != NULL ? strlen (context) : 0 },
  };

  return teesql_sim_hkdf (self->seed, SEED_SALT, info, G_N_ELEMENTS (info), error);
}

gboolean
teesql_sim_platform_derive (const TeesqlSimPlatform *self, const char *label, const char *context, guint8 *out, gsize size, GError **error)
{
  g_autoptr (TeesqlSecret) secret = teesql_sim_platform_derive_secret (self, label, context, error);
  guint8 digest[TEESQL_SHA512_SIZE];
  gsize secret_size = 0;
  const guint8 *bytes;

  g_return_val_if_fail (size <= sizeof digest, FALSE);
  if (secret == NULL)
    return FALSE;
  /* one way more: these bytes are shown to everybody */
  bytes = teesql_secret_peek (secret, &secret_size);
  teesql_digest_bytes (TEESQL_DIGEST_SHA512, digest, bytes, secret_size);
  for (gsize i = 0; i < size; i++)
    out[i] = digest[i];
  return TRUE;
}

TeesqlSimKey *
teesql_sim_platform_derive_key (const TeesqlSimPlatform *self, const char *label, const char *context, GError **error)
{
  g_autoptr (TeesqlSecret) scalar = teesql_sim_platform_derive_secret (self, label, context, error);

  return scalar != NULL ? teesql_sim_key_new (scalar, error) : NULL;
}

gboolean
teesql_sim_platform_derive_serial (const TeesqlSimPlatform *self, const char *label, const char *context, guint8 out[20], GError **error)
{
  if (!teesql_sim_platform_derive (self, label, context, out, 20, error))
    return FALSE;
  out[0] = (guint8) ((out[0] & 0x7f) | 0x40); /* positive, and always 20 bytes */
  return TRUE;
}

gboolean
teesql_sim_platform_get_pck_serial (const TeesqlSimPlatform *self, const char *machine, TeesqlSimTcbStatus status, guint8 out[20],
                                    GError **error)
{
  g_autofree char *context = g_strdup_printf ("%s/%s", teesql_sim_tcb_status_to_string (status), machine);

  return teesql_sim_platform_derive_serial (self, "serial/pck", context, out, error);
}

static TeesqlSimAuthority *
make_authority (const TeesqlSimPlatform *self, const char *label, const char *common_name, int path_length, GError **error)
{
  g_autofree char *key_label = g_strconcat ("key/", label, NULL);
  g_autofree char *serial_label = g_strconcat ("serial/", label, NULL);
  guint8 serial[20];
  TeesqlSimTemplate template = {
    .common_name = common_name,
    .organization = TEESQL_SIM_ORGANIZATION,
    .serial = serial,
    .not_before_unix = NOT_BEFORE_UNIX,
    .not_after_unix = NOT_AFTER_UNIX,
    .path_length = path_length,
    .key_usage =
        path_length >= 0 ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_NON_REPUDIATION,
  };

  if (!teesql_sim_platform_derive_serial (self, serial_label, NULL, serial, error))
    return NULL;
  return teesql_sim_x509_make_authority (&template, teesql_sim_platform_derive_key (self, key_label, NULL, error), self->root, error);
}

TeesqlSimPlatform *
teesql_sim_platform_new (TeesqlSecret *seed, GError **error)
{
  g_autoptr (TeesqlSimPlatform) self = g_new0 (TeesqlSimPlatform, 1);

  self->seed = teesql_secret_ref (seed);
  if (teesql_secret_get_size (seed) != 32)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-seed", 0,
                                                  "platform-seed: %" G_GSIZE_FORMAT " bytes, expected 32 (64 hex digits)",
                                                  teesql_secret_get_size (seed)));
      return NULL;
    }
  self->root = make_authority (self, "root-ca", "TeeSQL Simulator SGX Root CA", 1, error);
  if (self->root == NULL)
    return NULL;
  self->platform_ca = make_authority (self, "pck-platform-ca", "TeeSQL Simulator SGX PCK Platform CA", 0, error);
  if (self->platform_ca == NULL)
    return NULL;
  self->processor_ca = make_authority (self, "pck-processor-ca", "TeeSQL Simulator SGX PCK Processor CA", 0, error);
  if (self->processor_ca == NULL)
    return NULL;
  self->tcb_signing = make_authority (self, "tcb-signing", "TeeSQL Simulator SGX TCB Signing", -1, error);
  if (self->tcb_signing == NULL)
    return NULL;
  if (!teesql_sim_platform_derive (self, "fmspc", NULL, self->fmspc, sizeof self->fmspc, error) ||
      !teesql_sim_platform_derive (self, "mr-seam", NULL, self->mr_seam, sizeof self->mr_seam, error) ||
      !teesql_sim_platform_derive (self, "qe-mrsigner", NULL, self->qe_mrsigner, sizeof self->qe_mrsigner, error) ||
      !teesql_sim_platform_derive_serial (self, "serial/pck-revoked", NULL, self->revoked_serial, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
teesql_sim_platform_free (TeesqlSimPlatform *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->tcb_signing, teesql_sim_authority_free);
  g_clear_pointer (&self->processor_ca, teesql_sim_authority_free);
  g_clear_pointer (&self->platform_ca, teesql_sim_authority_free);
  g_clear_pointer (&self->root, teesql_sim_authority_free);
  g_clear_pointer (&self->seed, teesql_secret_unref);
  g_free (self);
}

char *
teesql_sim_platform_get_chain (const TeesqlSimPlatform *self, const TeesqlSimAuthority *leaf)
{
  g_autofree char *first = teesql_sim_authority_get_pem (leaf);
  g_autofree char *root = teesql_sim_authority_get_pem (self->root);

  return g_strconcat (first, root, NULL);
}

/* SEQUENCE { OID 1.2.840.113741.1.13.1.@suffix, value }; @content: (transfer full): the value, encoded */
static void
add_field (GByteArray *out, const char *suffix, GByteArray *content)
{
  g_autofree char *oid = g_strconcat (SGX_OID ".", suffix, NULL);
  GByteArray *field = g_byte_array_new ();

  teesql_sim_der_add_oid (field, oid);
  teesql_sim_der_add_raw (field, content->data, content->len);
  g_byte_array_unref (content);
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, field);
}

static void
add_octets (GByteArray *out, const char *suffix, const guint8 *data, gsize size)
{
  GByteArray *value = g_byte_array_new ();

  teesql_sim_der_add (value, TEESQL_SIM_DER_OCTET_STRING, data, size);
  add_field (out, suffix, value);
}

static void
add_number (GByteArray *out, const char *suffix, guint8 tag, guint64 number)
{
  GByteArray *value = g_byte_array_new ();

  teesql_sim_der_add_unsigned (value, tag, number);
  add_field (out, suffix, value);
}

static void
add_flag (GByteArray *out, const char *suffix, gboolean flag)
{
  GByteArray *value = g_byte_array_new ();

  teesql_sim_der_add_boolean (value, flag);
  add_field (out, suffix, value);
}

static void
add_tcb (GByteArray *out, const guint8 components[TEESQL_SIM_TCB_COMPONENTS])
{
  GByteArray *fields = g_byte_array_new ();
  GByteArray *value = g_byte_array_new ();

  for (guint i = 0; i < TEESQL_SIM_TCB_COMPONENTS; i++)
    {
      g_autofree char *suffix = g_strdup_printf ("2.%u", i + 1);

      add_number (fields, suffix, TEESQL_SIM_DER_INTEGER, components[i]);
    }
  add_number (fields, "2.17", TEESQL_SIM_DER_INTEGER, TEESQL_SIM_PCESVN);
  add_octets (fields, "2.18", components, TEESQL_SIM_TCB_COMPONENTS); /* CPUSVN: the same bytes */
  teesql_sim_der_close (value, TEESQL_SIM_DER_SEQUENCE, fields);
  add_field (out, "2", value);
}

static void
add_configuration (GByteArray *out)
{
  GByteArray *fields = g_byte_array_new ();
  GByteArray *value = g_byte_array_new ();

  add_flag (fields, "7.1", TRUE); /* dynamic platform */
  add_flag (fields, "7.2", TRUE); /* cached keys */
  add_flag (fields, "7.3", TRUE); /* SMT enabled */
  teesql_sim_der_close (value, TEESQL_SIM_DER_SEQUENCE, fields);
  add_field (out, "7", value);
}

/* DCAP quote verification 2: the SGX extension of a PCK certificate */
static GBytes *
make_sgx_extension (const TeesqlSimPlatform *self, const char *machine, TeesqlSimTcbStatus status, GError **error)
{
  static const guint8 pce_id[2] = { 0, 0 };
  g_autoptr (GByteArray) fields = g_byte_array_new ();
  GByteArray *out;
  guint8 components[TEESQL_SIM_TCB_COMPONENTS];
  guint8 ppid[TEESQL_SIM_PPID_SIZE];
  guint8 instance[16];

  if (!teesql_sim_platform_derive (self, "ppid", machine, ppid, sizeof ppid, error) ||
      !teesql_sim_platform_derive (self, "platform-instance", machine, instance, sizeof instance, error))
    return NULL;
  teesql_sim_tcb_get_sgx_components (status, components);
  add_octets (fields, "1", ppid, sizeof ppid);
  add_tcb (fields, components);
  add_octets (fields, "3", pce_id, sizeof pce_id);
  add_octets (fields, "4", self->fmspc, sizeof self->fmspc);
  add_number (fields, "5", TEESQL_SIM_DER_ENUMERATED, 1); /* scalable, without integrity */
  add_octets (fields, "6", instance, sizeof instance);
  add_configuration (fields);
  out = g_byte_array_new ();
  teesql_sim_der_close (out, TEESQL_SIM_DER_SEQUENCE, g_steal_pointer (&fields));
  return g_byte_array_free_to_bytes (out);
}

static gnutls_x509_crt_t
make_pck_certificate (const TeesqlSimPlatform *self, const TeesqlSimKey *key, const guint8 serial[20], GBytes *extension, GError **error)
{
  const TeesqlSimTemplate template = {
    .common_name = "TeeSQL Simulator SGX PCK Certificate",
    .organization = TEESQL_SIM_ORGANIZATION,
    .serial = serial,
    .not_before_unix = NOT_BEFORE_UNIX,
    .not_after_unix = NOT_AFTER_UNIX,
    .path_length = -1,
    .key_usage = GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_NON_REPUDIATION,
  };
  g_auto (gnutls_x509_crt_t) certificate = teesql_sim_x509_begin (&template, key, error);
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (extension, &size);
  int code;

  if (certificate == NULL)
    return NULL;
  code = gnutls_x509_crt_set_extension_by_oid (certificate, SGX_OID, data, size, 0);
  if (code != 0)
    {
      teesql_sim_gnutls_failed (code, "adding the SGX extension", error);
      return NULL;
    }
  return teesql_sim_x509_sign (certificate, self->platform_ca, NULL, error) ? g_steal_pointer (&certificate) : NULL;
}

TeesqlSimAuthority *
teesql_sim_platform_make_pck (const TeesqlSimPlatform *self, const char *machine, TeesqlSimTcbStatus status, gboolean revoked,
                              GError **error)
{
  g_autoptr (TeesqlSimKey) key = teesql_sim_platform_derive_key (self, "key/pck", machine, error);
  g_autoptr (GBytes) extension = key != NULL ? make_sgx_extension (self, machine, status, error) : NULL;
  gnutls_x509_crt_t certificate;
  guint8 serial[20];

  if (extension == NULL || !teesql_sim_platform_get_pck_serial (self, machine, status, serial, error))
    return NULL;
  certificate = make_pck_certificate (self, key, revoked ? self->revoked_serial : serial, extension, error);
  return certificate != NULL ? teesql_sim_authority_new (g_steal_pointer (&key), certificate) : NULL;
}
