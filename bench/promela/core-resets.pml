/* SPDX-License-Identifier: GPL-2.0-or-later
 * Twin of bench/models/core-resets.ts. */
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
  d_step { do :: k < P -> fre[k] = 1; cnt[k] = 1; k++ :: else -> break od; k = 0 }
  atomic {
    do :: k < F -> run fault(); k++ :: else -> break od;
    k = 0;
    do :: k < G -> run gup(); k++ :: else -> break od;
    k = 0;
    do :: k < Z -> run zap(); k++ :: else -> break od;
    k = 0
  }
}

proctype fault() {
  byte p, v, i;
end:
  atomic {
    p = 0;
    i = 0;
    do
    :: i < P && !fre[i] -> i++
    :: i < P && fre[i] -> p = i + 1; i++
    :: i < P && fre[i] && p != 0 -> i++
    :: i == P -> break
    od;
    i = 0;
    if :: p == 0 -> goto end :: else -> fre[p - 1] = 0; assert(cnt[p - 1] != 0) fi
  }
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    if :: pte[v] != 0 -> v = 0 :: else -> pte[v] = p; p = 0; v = 0; goto end fi
  }
  atomic { assert(cnt[p - 1] > 0); cnt[p - 1]--; if :: cnt[p - 1] != 0 -> p = 0; goto end :: else fi }
#ifdef BROKEN
  d_step { page_free(p - 1) }
  d_step { cnt[p - 1] = 1; p = 0 }
#else
  d_step { cnt[p - 1] = 1 }
  d_step { page_free(p - 1); p = 0 }
#endif
  goto end
}

proctype gup() {
  byte v, e, i;
end:
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = pte[v];
    if :: e == 0 -> v = 0; goto end :: else fi
  }
  atomic { if :: cnt[e - 1] == 0 -> e = 0; v = 0; goto end :: else -> cnt[e - 1]++ fi }
  atomic { if :: pte[v] != e -> v = 0; goto put :: else -> v = 0 fi }
  d_step { assert(!fre[e - 1]) }
put:
  atomic { assert(cnt[e - 1] > 0); cnt[e - 1]--; if :: cnt[e - 1] != 0 -> e = 0; goto end :: else fi }
#ifdef BROKEN
  d_step { page_free(e - 1) }
  d_step { cnt[e - 1] = 1; e = 0 }
#else
  d_step { cnt[e - 1] = 1 }
  d_step { page_free(e - 1); e = 0 }
#endif
  goto end
}

proctype zap() {
  byte v, e, i;
end:
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = pte[v];
    if :: e == 0 -> v = 0; goto end :: else -> pte[v] = 0; v = 0 fi
  }
  atomic { assert(cnt[e - 1] > 0); cnt[e - 1]--; if :: cnt[e - 1] != 0 -> e = 0; goto end :: else fi }
#ifdef BROKEN
  d_step { page_free(e - 1) }
  d_step { cnt[e - 1] = 1; e = 0 }
#else
  d_step { cnt[e - 1] = 1 }
  d_step { page_free(e - 1); e = 0 }
#endif
  goto end
}
