#include "dcap-collateral.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/teesql-hex.h"
#include "dcap-error.h"

#define BUNDLE_MAX ((gsize) 16777216)

static DcapCollateral *
collateral_new (void)
{
  DcapCollateral *self = g_new0 (DcapCollateral, 1);
  g_atomic_ref_count_init (&self->ref_count);
  return self;
}

DcapCollateral *
dcap_collateral_ref (DcapCollateral *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
dcap_collateral_unref (DcapCollateral *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    g_clear_pointer (&self->items[i], dcap_item_unref);
  g_clear_pointer (&self->pck_chain, g_bytes_unref);
  g_free (self);
}

static GBytes *
bundle_text (DcapJsonNode root, const char *key, gsize max, GError **error)
{
  char *text = dcap_json_get_text (root, key, max, error);
  return text != NULL ? g_bytes_new_take (text, strlen (text)) : NULL;
}

static GBytes *
bundle_hex (DcapJsonNode root, const char *key, gsize max, GError **error)
{
  g_autofree char *text = dcap_json_get_text (root, key, 2 * max, error);
  return text != NULL ? teesql_hex_decode (text, -1, error) : NULL;
}

static gboolean
bundle_crl (DcapCollateral *self, DcapItemKind kind, DcapJsonNode root, const char *key, const char *chain_key, GError **error)
{
  g_autoptr (GBytes) body = bundle_hex (root, key, DCAP_CRL_MAX_SIZE, error);
  g_autoptr (GBytes) chain = NULL;

  if (body == NULL)
    return FALSE;
  if (chain_key != NULL)
    {
      chain = bundle_text (root, chain_key, DCAP_CHAIN_MAX_SIZE, error);
      if (chain == NULL)
        return FALSE;
    }
  self->items[kind] = dcap_item_new (kind, body, NULL, chain);
  return TRUE;
}

static gboolean
bundle_signed (DcapCollateral *self, DcapItemKind kind, DcapJsonNode root, const char *key, GError **error)
{
  g_autofree char *signature_key = g_strconcat (key, "_signature", NULL);
  g_autofree char *chain_key = g_strconcat (key, "_issuer_chain", NULL);
  g_autoptr (GBytes) body = bundle_text (root, key, dcap_item_kind_max_size (kind), error);
  g_autoptr (GBytes) signature = body != NULL ? bundle_hex (root, signature_key, DCAP_P256_SIGNATURE_SIZE, error) : NULL;
  g_autoptr (GBytes) chain = signature != NULL ? bundle_text (root, chain_key, DCAP_CHAIN_MAX_SIZE, error) : NULL;

  if (chain == NULL)
    return FALSE;
  self->items[kind] = dcap_item_new (kind, body, signature, chain);
  return TRUE;
}

static gboolean
parse_bundle (DcapCollateral *self, DcapJsonNode root, GError **error)
{
  DcapJsonNode node;

  if (!bundle_signed (self, DCAP_ITEM_TCB_INFO, root, "tcb_info", error) ||
      !bundle_signed (self, DCAP_ITEM_QE_IDENTITY, root, "qe_identity", error) ||
      !bundle_crl (self, DCAP_ITEM_PCK_CRL, root, "pck_crl", "pck_crl_issuer_chain", error) ||
      !bundle_crl (self, DCAP_ITEM_ROOT_CRL, root, "root_ca_crl", NULL, error))
    return FALSE;
  /* some who write bundles leave it out, some write null */
  if (!dcap_json_find (root, "pck_certificate_chain", &node) || dcap_json_is_null (node))
    return TRUE;
  self->pck_chain = bundle_text (root, "pck_certificate_chain", DCAP_CHAIN_MAX_SIZE, error);
  return self->pck_chain != NULL;
}

DcapCollateral *
dcap_collateral_parse_bundle (const guint8 *data, gsize size, GError **error)
{
  GError *cause = NULL;
  g_autoptr (DcapCollateral) self = collateral_new ();
  g_autoptr (DcapJson) json = NULL;

  if (size > BUNDLE_MAX)
    {
      dcap_fail (error, TEESQL_ERROR_MALFORMED, "collateral-bundle", "collateral: %" G_GSIZE_FORMAT " bytes are too many", size);
      return NULL;
    }
  json = dcap_json_parse ("collateral", data, size, &cause);
  if (json == NULL || !parse_bundle (self, dcap_json_root (json), &cause))
    {
      dcap_fail_parse (error, "collateral", "bundle", cause);
      return NULL;
    }
  return g_steal_pointer (&self);
}

static gboolean
fail_file (GError **error, const char *path, const char *what)
{
  return dcap_fail (error, TEESQL_ERROR_CONFIG, "collateral-file", "collateral %s: %s", path, what);
}

/* A descriptor first, then its size: the file cannot grow between the question and the read. */
static GBytes *
read_file (const char *path, gsize max, GError **error)
{
  struct stat st;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 buffer[16384];
  gssize n = 0;

  if (fd < 0)
    {
      fail_file (error, path, g_strerror (errno));
      return NULL;
    }
  gboolean good = fstat (fd, &st) == 0 && S_ISREG (st.st_mode);
  while (good && (n = read (fd, buffer, sizeof buffer)) > 0)
    {
      g_byte_array_append (bytes, buffer, (guint) n);
      good = bytes->len <= max;
    }
  close (fd);
  if (!good || n < 0)
    {
      fail_file (error, path, "not a regular file that can be read, or too large");
      return NULL;
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static GBytes *
read_optional (const char *folder, const char *name, gsize max)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  return g_file_test (path, G_FILE_TEST_EXISTS) ? read_file (path, max, NULL) : NULL;
}

/* leaf, CA, root: the last two certify the CRL that may revoke the first */
static GBytes *
drop_first_certificate (GBytes *chain)
{
  static const char end[] = "-----END CERTIFICATE-----";
  gsize size = 0;
  const char *text = g_bytes_get_data (chain, &size);
  const char *found = g_strstr_len (text, (gssize) size, end);

  if (found == NULL)
    return NULL;
  gsize offset = (gsize) (found - text) + strlen (end);
  return g_bytes_new_from_bytes (chain, offset, size - offset);
}

static gboolean
folder_item (DcapCollateral *self, const char *folder, DcapItemKind kind, const char *const *names, GBytes *chain, GError **error)
{
  g_autoptr (GBytes) response = NULL;

  for (const char *const *name = names; *name != NULL && response == NULL; name++)
    response = read_optional (folder, *name, 2 * dcap_item_kind_max_size (kind));
  if (response == NULL)
    {
      g_autofree char *path = g_build_filename (folder, names[0], NULL);
      return fail_file (error, path, "missing, unreadable or too large");
    }
  self->items[kind] = dcap_item_new_from_response (kind, response, chain, error);
  return self->items[kind] != NULL;
}

static GBytes *
pick (GBytes *first, GBytes *second)
{
  return first != NULL ? first : second;
}

static gboolean
load_folder (DcapCollateral *self, const char *folder, GError **error)
{
  static const char *const tcb_info[] = { "tcb_info_response.json", NULL };
  static const char *const qe_identity[] = { "qe_identity_response.json", NULL };
  static const char *const pck_crl[] = { "pck_crl.der", "pck_crl.pem", NULL };
  static const char *const root_crl[] = { "root_ca_crl.der", "root_ca_crl.pem", NULL };
  g_autoptr (GBytes) signing = read_optional (folder, "tcb_signing_chain.pem", DCAP_CHAIN_MAX_SIZE);
  g_autoptr (GBytes) tcb_chain = read_optional (folder, "tcb_info_issuer_chain.pem", DCAP_CHAIN_MAX_SIZE);
  g_autoptr (GBytes) qe_chain = read_optional (folder, "qe_identity_issuer_chain.pem", DCAP_CHAIN_MAX_SIZE);
  g_autoptr (GBytes) crl_chain = read_optional (folder, "pck_crl_issuer_chain.pem", DCAP_CHAIN_MAX_SIZE);
  g_autoptr (GBytes) pck_tail = NULL;

  self->pck_chain = read_optional (folder, "pck_chain.pem", DCAP_CHAIN_MAX_SIZE);
  if (self->pck_chain != NULL)
    pck_tail = drop_first_certificate (self->pck_chain);
  return folder_item (self, folder, DCAP_ITEM_TCB_INFO, tcb_info, pick (tcb_chain, signing), error) &&
         folder_item (self, folder, DCAP_ITEM_QE_IDENTITY, qe_identity, pick (qe_chain, signing), error) &&
         folder_item (self, folder, DCAP_ITEM_PCK_CRL, pck_crl, pick (crl_chain, pck_tail), error) &&
         folder_item (self, folder, DCAP_ITEM_ROOT_CRL, root_crl, NULL, error);
}

DcapCollateral *
dcap_collateral_load (const char *path, GError **error)
{
  g_autoptr (DcapCollateral) self = NULL;
  g_autoptr (GBytes) bundle = NULL;
  gsize size = 0;

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      self = collateral_new ();
      return load_folder (self, path, error) ? g_steal_pointer (&self) : NULL;
    }
  bundle = read_file (path, BUNDLE_MAX, error);
  if (bundle == NULL)
    return NULL;
  const guint8 *data = g_bytes_get_data (bundle, &size);
  return dcap_collateral_parse_bundle (data, size, error);
}
