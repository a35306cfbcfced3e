#pragma once
#include "dcap-json.h"

G_BEGIN_DECLS

/* Intel's words for a TCB level. The two relaunch states never stand in collateral, they are derived. */
typedef enum
{
  DCAP_STATUS_UP_TO_DATE,
  DCAP_STATUS_SW_HARDENING_NEEDED,
  DCAP_STATUS_CONFIGURATION_NEEDED,
  DCAP_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED,
  DCAP_STATUS_OUT_OF_DATE,
  DCAP_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED,
  DCAP_STATUS_REVOKED,
  DCAP_STATUS_TD_RELAUNCH_ADVISED,
  DCAP_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
} DcapStatus;

/**
 * DcapVerdict:
 *
 * what every kind of level ends in
 */
typedef struct
{
  DcapStatus status;
  gint64 date;
  char **advisory_ids;
} DcapVerdict;

/**
 * DcapSvnLevel:
 *
 * level of an enclave or of the TDX module: one number
 */
typedef struct
{
  guint isv_svn;
  DcapVerdict verdict;
} DcapSvnLevel;

const char *dcap_status_text (DcapStatus status);
/* what any level carries beside its numbers; unknown words are errors */
gboolean dcap_verdict_parse (DcapJsonNode level, DcapVerdict *out, GError **error) TEESQL_MUST_USE;
void dcap_verdict_clear (DcapVerdict *self);
/**
 * dcap_svn_levels_parse:
 *
 * member `tcbLevels` of @object, highest isvsvn first
 *
 * Returns: (element-type DcapSvnLevel): an array that frees what it holds
 */
GArray *dcap_svn_levels_parse (DcapJsonNode object, GError **error) TEESQL_MUST_USE;
/* the first level that @isv_svn reaches, or NULL */
const DcapSvnLevel *dcap_svn_levels_match (GArray *levels, guint isv_svn);

G_END_DECLS
