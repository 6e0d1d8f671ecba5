/* SPDX-License-Identifier: GPL-2.0-or-later
 * Twin of bench/models/fast-gup.ts. One atomic or d_step for each of its steps; locals are zeroed as soon as they are dead. */
#define MIGRATION (P + 1)
#define PRESENT(e) ((e) >= 1 && (e) <= P)

byte cnt[P];
bit fre[P];
byte pte[V];

inline page_free(p) {
  assert(!fre[p]);
  i = 0;
  do :: i < V -> assert(pte[i] != p + 1); i++ :: else -> break od;
  i = 0;
  fre[p] = 1
}

init {
  byte k;
  d_step {
    do :: k < P -> if :: k < V -> cnt[k] = 1 :: else -> fre[k] = 1 fi; k++ :: else -> break od;
    k = 0;
    do :: k < V -> if :: k < P -> pte[k] = k + 1 :: else fi; k++ :: else -> break od;
    k = 0
  }
  atomic {
    do :: k < G -> run gup(); k++ :: else -> break od;
    k = 0;
    do :: k < Z -> run zap(); k++ :: else -> break od;
    k = 0;
    run migrate()
  }
}

proctype gup() {
  byte v, e, i;
end:
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = pte[v];
    if :: !PRESENT(e) -> e = 0; v = 0; goto end :: else fi
  }
#ifdef BROKEN
  d_step { cnt[e - 1]++ }
#else
  atomic { if :: cnt[e - 1] == 0 -> e = 0; v = 0; goto end :: else -> cnt[e - 1]++ fi }
#endif
  atomic { if :: pte[v] != e -> v = 0; goto put :: else -> v = 0 fi }
  d_step { assert(!fre[e - 1]) }
put:
  atomic { assert(cnt[e - 1] > 0); cnt[e - 1]--; if :: cnt[e - 1] != 0 -> e = 0; goto end :: else fi }
  d_step { page_free(e - 1); e = 0 }
  goto end
}

proctype zap() {
  byte v, e, i;
end:
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = pte[v];
    if :: !PRESENT(e) -> e = 0; v = 0; goto end :: else -> pte[v] = 0; v = 0 fi
  }
  atomic { assert(cnt[e - 1] > 0); cnt[e - 1]--; if :: cnt[e - 1] != 0 -> e = 0; goto end :: else fi }
  d_step { page_free(e - 1); e = 0 }
  goto end
}

/* q: 1 + the page taken, 0 if there is none. */
inline take() {
  q = 0;
  i = 0;
  do :: i < P && !fre[i] -> i++ :: i < P && fre[i] -> q = i + 1; i++ :: i < P && fre[i] && q != 0 -> i++ :: i == P -> break od;
  i = 0;
  if :: q != 0 -> fre[q - 1] = 0 :: else fi
}

proctype migrate() {
  byte v, e, q, i;
end:
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = pte[v];
    if :: !PRESENT(e) -> e = 0; goto fault :: else -> pte[v] = MIGRATION fi
  }
  atomic { if :: cnt[e - 1] != 1 -> goto restore :: else -> cnt[e - 1] = 0 fi }
  atomic { take(); if :: q == 0 -> goto unfreeze :: else fi }
  d_step { cnt[q - 1] = 1 }
  d_step { pte[v] = q; q = 0; v = 0 }
  d_step { page_free(e - 1); e = 0 }
  goto end;
unfreeze:
  atomic { cnt[e - 1] = 1 }
restore:
  atomic { pte[v] = e; e = 0; v = 0 }
  goto end;
fault:
  atomic { take(); if :: q == 0 -> v = 0; goto end :: else fi }
  d_step { cnt[q - 1] = 1 }
  d_step { pte[v] = q; q = 0; v = 0 }
  goto end
}
