#pragma once
#include <teesql/teesql-kms.h>

/* Keys from the dstack guest agent: `GetKey`, read and scanned in locked memory. */
#define DSTACK_TYPE_KMS (dstack_kms_get_type ())
G_DECLARE_FINAL_TYPE (DstackKms, dstack_kms, DSTACK, KMS, GObject)
