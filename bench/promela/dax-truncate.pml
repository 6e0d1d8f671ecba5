/* SPDX-License-Identifier: GPL-2.0-or-later
 * Twin of bench/models/dax-truncate.ts. */
byte cnt[B];
bit used[B];
byte file[V];
byte pte[V];
bit inval;

init {
  byte k;
  d_step { do :: k < B -> cnt[k] = 1; k++ :: else -> break od; k = 0 }
  atomic {
    do :: k < F -> run fault(); k++ :: else -> break od;
    k = 0;
    do :: k < G -> run gup(); k++ :: else -> break od;
    k = 0;
    run trunc()
  }
}

proctype fault() {
  byte v;
end:
  atomic {
    !inval;
    do :: v < V - 1 -> v++ :: break od;
    if :: file[v] != 0 -> pte[v] = file[v] :: else fi;
    v = 0;
    goto end
  }
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
  d_step { assert(used[e - 1]) }
  d_step { assert(used[e - 1]) }
put:
  atomic { assert(cnt[e - 1] > 0); cnt[e - 1]--; e = 0 }
  goto end
}

proctype trunc() {
  byte v, e, i;
end:
  atomic { !inval; inval = 1 }
  atomic {
    do :: v < V - 1 -> v++ :: break od;
    e = file[v];
    if :: e == 0 -> goto alloc :: else fi
  }
  d_step { pte[v] = 0 }
#ifndef BROKEN
  atomic { if :: cnt[e - 1] != 1 -> e = 0; v = 0; goto done :: else fi }
#endif
  d_step { file[v] = 0; v = 0 }
  d_step { used[e - 1] = 0; e = 0 }
  goto done;
alloc:
  atomic {
    i = 0;
    do
    :: i < B && used[i] -> i++
    :: i < B && !used[i] -> e = i + 1; i++
    :: i < B && !used[i] && e != 0 -> i++
    :: i == B -> break
    od;
    i = 0;
    if :: e == 0 -> v = 0; goto done :: else -> used[e - 1] = 1 fi
  }
  d_step { file[v] = e; e = 0; v = 0 }
done:
  atomic { inval = 0 }
  goto end
}
