#pragma once
#include <errno.h>
#include <string.h>
#include <teesql/teesql.h>

#define HOSTILE_TYPE_STORAGE (hostile_storage_get_type ())
G_DECLARE_FINAL_TYPE (HostileStorage, hostile_storage, HOSTILE, STORAGE, GObject)

#define SOCKET 3 /* where a host has its daemon */

struct _HostileStorage
{
  GObject parent_instance;
  char *target; /* a path, or the name of an abstract socket */
  guint port;
  char *at_start;    /* attack that runs before the daemon hears that we are ready */
  char *folder;      /* declared, writable */
  GPtrArray *silent; /* tasks that are never answered */
};

typedef struct
{
  gboolean got;
  char *text;
} Loot;

Loot hostile_judge (long result); /* @result: of a system call: at least 0 when it worked */

/* hostile-lies.c: what stops the host itself, or is said over its socket */
Loot attack_memory (HostileStorage *self);
Loot attack_open_files (HostileStorage *self);
Loot attack_crash (HostileStorage *self);
Loot attack_hang (HostileStorage *self);
Loot attack_lie_garbage (HostileStorage *self);
Loot attack_lie_empty (HostileStorage *self);
Loot attack_lie_huge (HostileStorage *self);
Loot attack_lie_unknown_call (HostileStorage *self);
Loot attack_lie_answer_twice (HostileStorage *self);
Loot attack_lie_slot (HostileStorage *self);
Loot attack_lie_ready_again (HostileStorage *self);
Loot attack_lie_pong (HostileStorage *self);
Loot attack_lie_flood (HostileStorage *self);
Loot attack_lie_descriptors (HostileStorage *self);
Loot attack_close_socket (HostileStorage *self);

/* hostile-reach.c: around Landlock */
Loot attack_mptcp (HostileStorage *self);
Loot attack_sctp (HostileStorage *self);
Loot attack_ping_socket (HostileStorage *self);
Loot attack_udplite (HostileStorage *self);
Loot attack_fast_open (HostileStorage *self);
Loot attack_fast_open_message (HostileStorage *self);
Loot attack_chmod_target (HostileStorage *self);
Loot attack_truncate_target (HostileStorage *self);
Loot attack_touch_target (HostileStorage *self);
