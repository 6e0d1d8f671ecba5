/* SPDX-License-Identifier: GPL-2.0-or-later
 * Twin of bench/models/swap-livelock.ts, for non-progress cycles (pan -l -f). */
bit entry[P];
byte cnt[P];
bit locked[P];

init {
  byte k;
  d_step { do :: k < P -> entry[k] = 1; cnt[k] = 1; k++ :: else -> break od; k = 0 }
  atomic {
    do :: k < T -> run fault(); k++ :: else -> break od;
    k = 0;
    run device()
  }
}

proctype fault() {
  byte p;
  bit alone;
end:
  atomic { do :: p < P - 1 -> p++ :: break od }
again:
  atomic { if :: entry[p] == 0 -> p = 0; goto progress :: else fi }
#ifdef BROKEN
  d_step { cnt[p]++ }
  d_step { !locked[p]; locked[p] = 1 }
#else
  atomic { if :: locked[p] -> goto wait :: else -> locked[p] = 1 fi }
  atomic { if :: entry[p] == 0 -> goto unlock :: else -> cnt[p]++ fi }
#endif
  d_step {
    if :: entry[p] == 0 || cnt[p] != 2 :: else -> entry[p] = 0; cnt[p]--; alone = 1 fi
  }
  d_step { locked[p] = 0 }
  atomic {
    cnt[p]--;
    if :: alone -> alone = 0; p = 0; goto progress :: else -> goto again fi
  }
#ifndef BROKEN
unlock:
  atomic { locked[p] = 0; goto again }
wait:
  atomic { !locked[p]; goto again }
#endif
progress:
  goto end
}

proctype device() {
  byte p;
end:
  atomic {
    if
    :: entry[0] == 0 && cnt[0] == 0 && !locked[0] -> p = 0
#if P > 1
    :: entry[1] == 0 && cnt[1] == 0 && !locked[1] -> p = 1
#endif
#if P > 2
    :: entry[2] == 0 && cnt[2] == 0 && !locked[2] -> p = 2
#endif
    fi;
    entry[p] = 1; cnt[p] = 1; p = 0;
    goto end
  }
}
