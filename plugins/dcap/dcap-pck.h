#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

#define DCAP_PCK_EXTENSION_OID "1.2.840.113741.1.13.1"
#define DCAP_N_COMPONENTS      16
#define DCAP_FMSPC_SIZE        6
#define DCAP_PCE_ID_SIZE       2
#define DCAP_PPID_SIZE         16

/**
 * DcapPck:
 * @components: the SVNs .2.1 to .2.16, equal to the bytes of CPUSVN
 *
 * what the PCK certificate's own extension says about the platform
 */
typedef struct
{
  guint8 ppid[DCAP_PPID_SIZE];
  guint8 fmspc[DCAP_FMSPC_SIZE];
  guint8 pce_id[DCAP_PCE_ID_SIZE];
  guint8 components[DCAP_N_COMPONENTS];
  guint pce_svn;
  guint sgx_type;
  gboolean has_instance;
  guint8 instance[16];
} DcapPck;

/**
 * dcap_pck_parse:
 *
 * reads the extension's value. Reason `pck-extension`.
 */
gboolean dcap_pck_parse (const guint8 *data, gsize size, DcapPck *out_pck, GError **error) TEESQL_MUST_USE;

G_END_DECLS
