#pragma once
#include "simulator/teesql-sim-machine.h"

G_BEGIN_DECLS

typedef enum {
  TEESQL_SIM_QUOTE_4,   /* version 4 */
  TEESQL_SIM_QUOTE_5,   /* version 5 around a TD 1.0 report */
  TEESQL_SIM_QUOTE_5_1, /* version 5 around a TD 1.5 report */
} TeesqlSimQuoteVersion;

/**
 * TeesqlSimQuoteRequest:
 * @pck_chain: PEM: leaf, PCK CA, root
 * @debug: the TD runs with its debug attribute
 */
typedef struct {
  TeesqlSimQuoteVersion version;
  TeesqlSimTcbStatus status;
  const TeesqlSimAuthority *pck;
  const char *pck_chain;
  gboolean debug;
  const guint8 *report_data; /* 64 bytes */
} TeesqlSimQuoteRequest;

gboolean teesql_sim_quote_version_parse (const char *text, TeesqlSimQuoteVersion *out_version, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const char *teesql_sim_quote_version_to_string (TeesqlSimQuoteVersion version);
/**
 * teesql_sim_quote_new:
 *
 * what the TDX module and quoting enclave of this machine would sign (DCAP quote verification 1), with the zero padding that agents deliver
 */
GBytes *teesql_sim_quote_new (const TeesqlSimPlatform *platform, const TeesqlSimMachine *machine, const TeesqlSimQuoteRequest *request,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
