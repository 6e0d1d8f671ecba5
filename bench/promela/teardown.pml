/* SPDX-License-Identifier: GPL-2.0-or-later
 * Twin of bench/models/teardown.ts. */
byte cnt[P];
bit fre[P];
byte pte[V];
byte ref = 1;
bit killed, gone;

init {
  byte k;
  d_step { do :: k < P -> fre[k] = 1; k++ :: else -> break od; k = 0 }
  atomic {
    do :: k < F -> run fault(); k++ :: else -> break od;
    k = 0;
    do :: k < G -> run gup(); k++ :: else -> break od;
    k = 0;
    do :: k < Z -> run zap(); k++ :: else -> break od;
    k = 0;
    run unmap()
  }
}

proctype fault() {
  byte p, v, i;
end:
  atomic {
    p = 0;
    if
    :: killed -> goto end
    :: else ->
      i = 0;
      do
      :: i < P && !fre[i] -> i++
      :: i < P && fre[i] -> p = i + 1; i++
      :: i < P && fre[i] && p != 0 -> i++
      :: i == P -> break
      od;
      i = 0;
      if :: p == 0 -> goto end :: else -> fre[p - 1] = 0 fi
    fi
  }
#ifndef BROKEN
  atomic { if :: killed -> goto undo :: else -> ref++ fi }
#endif
  d_step { assert(!gone); cnt[p - 1] = 1 }
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    if :: pte[v] != 0 -> v = 0 :: else -> pte[v] = p; p = 0; v = 0; goto end fi
  }
  atomic { assert(cnt[p - 1] > 0); cnt[p - 1]--; if :: cnt[p - 1] != 0 -> p = 0; goto end :: else fi }
  d_step { assert(!gone); assert(!fre[p - 1]); fre[p - 1] = 1; p = 0 }
#ifndef BROKEN
  atomic { ref--; goto end }
undo:
  atomic { fre[p - 1] = 1; p = 0 }
#endif
  goto end
}

proctype gup() {
  byte v, e;
end:
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = pte[v];
    if :: e == 0 -> v = 0; goto end :: else fi
  }
  atomic { if :: cnt[e - 1] == 0 -> e = 0; v = 0; goto end :: else -> cnt[e - 1]++ fi }
  atomic { if :: pte[v] != e -> v = 0; goto put :: else -> v = 0 fi }
  d_step { assert(!fre[e - 1]); assert(!gone) }
put:
  atomic { assert(cnt[e - 1] > 0); cnt[e - 1]--; if :: cnt[e - 1] != 0 -> e = 0; goto end :: else fi }
  d_step { assert(!gone); assert(!fre[e - 1]); fre[e - 1] = 1; e = 0 }
#ifndef BROKEN
  d_step { ref-- }
#endif
  goto end
}

proctype zap() {
  byte v, e;
end:
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = pte[v];
    if :: e == 0 -> v = 0; goto end :: else -> pte[v] = 0; v = 0 fi
  }
  atomic { assert(cnt[e - 1] > 0); cnt[e - 1]--; if :: cnt[e - 1] != 0 -> e = 0; goto end :: else fi }
  d_step { assert(!gone); assert(!fre[e - 1]); fre[e - 1] = 1; e = 0 }
#ifndef BROKEN
  d_step { ref-- }
#endif
  goto end
}

proctype unmap() {
end1:
  d_step { killed = 1; ref-- }
end2:
  ref == 0;
  gone = 1
}
