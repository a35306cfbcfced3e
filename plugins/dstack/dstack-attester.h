#pragma once
#include <teesql/teesql-attester.h>

/* Quotes, RA-TLS identity and facts from the dstack guest agent. */
#define DSTACK_TYPE_ATTESTER (dstack_attester_get_type ())
G_DECLARE_FINAL_TYPE (DstackAttester, dstack_attester, DSTACK, ATTESTER, GObject)
