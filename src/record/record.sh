# --- what follows is the same in every script that `lastput record` makes -------------------------------------------------
tracing=
mounted=
owned=
guard=
recorder=
stop=
status=0
proc=${LASTPUT_PROC:-/proc}
probes='lastput_alloc lastput_free lastput_memunmap lastput_memunmap_end lastput_where'
count_events='set mod mod_and_test mod_and_return mod_unless freeze unfreeze'
machine=$(uname -m)

# perf's names of the registers that an instruction may have its operands in, and where a function's first argument is. Both are
# empty for a machine on which pages cannot be told.
registers=
argument=
case $machine in
  x86_64)
    registers=ax,bx,cx,dx,si,di,bp,flags,r8,r9,r10,r11,r12,r13,r14,r15
    argument=%di
    ;;
  aarch64)
    registers=x0,x1,x2,x3,x4,x5,x6,x7,x8,x9,x10,x11,x12,x13,x14,x15,x16,x17,x18,x19,x20,x21,x22,x23,x24,x25,x26,x27,x28,x29
    argument=%x0
    ;;
esac

say() { echo "lastput record: $*" >&2; }
die() {
  say "$*"
  exit 2
}

# --- what the kernel offers -------------------------------------------------------------------------------------------------

find_tracefs() {
  for dir in ${LASTPUT_TRACEFS:-/sys/kernel/tracing /sys/kernel/debug/tracing}; do
    if [ -f "$dir/trace_pipe" ]; then
      tracing=$dir
      return
    fi
  done
  [ -z "${LASTPUT_TRACEFS:-}" ] || return
  if [ -d /sys/kernel/tracing ] && mount -t tracefs nodev /sys/kernel/tracing 2> /dev/null; then
    mounted=/sys/kernel/tracing
    tracing=/sys/kernel/tracing
  fi
}

has_program() { command -v "$1" > /dev/null 2>&1; }
has_counts() { [ -d "$tracing/events/page_ref" ]; }
has_kprobes() { [ -w "$tracing/kprobe_events" ]; }
has_function() { grep -q " $1\([[:space:]].*\)\{0,1\}\$" "$proc/kallsyms"; }

# The core's function that is entered with the last put of a device page, by kernels from the newest to the oldest.
free_function() {
  if [ -n "$free" ]; then
    echo "$free"
    return
  fi
  for function in free_zone_device_folio free_zone_device_page free_devmap_managed_page; do
    if has_function "$function"; then
      echo "$function"
      return
    fi
  done
}

# The function that hands device pages out, by most drivers.
alloc_function() {
  if [ -n "$alloc" ]; then echo "$alloc"
  elif has_function zone_device_page_init; then echo zone_device_page_init; fi
}

# Whether a probe can tell which page a function is called with.
can_tell_pages() { [ -n "$argument" ] && vmemmap_field > /dev/null; }

can_probe() { has_kprobes && can_tell_pages && [ -n "$(free_function)" ] && [ -n "$(alloc_function)" ]; }

offers() {
  if has_counts; then say 'it has page_ref events: every change of a count can be recorded'
  else say 'it has no page_ref events (CONFIG_DEBUG_PAGE_REF)'; fi
  if ! has_kprobes; then say 'it has no kprobe_events (CONFIG_KPROBE_EVENTS)'
  elif ! can_tell_pages; then
    say "it lets functions be probed, but where struct pages begin must be named by --vmemmap on $machine"
  elif ! can_probe; then
    say 'it lets functions be probed, but has not both zone_device_page_init() and a function that frees device pages'
  else say "$(alloc_function)() and $(free_function)() can be probed"; fi
  if has_program perf; then say 'perf is installed: the counts of four pages at a time can be watched'
  else say 'perf is not installed: no count can be watched'; fi
  if has_program trace-cmd; then say 'trace-cmd is installed'; fi
}

# --- which pages, and how ---------------------------------------------------------------------------------------------------

# The pages of some ranges from the first to the last, so that they lie as far apart as they can: as many as are asked for.
sample_pages() {
  taken=0
  before=0
  for range in $pages; do
    first=$((${range%-*}))
    here=$((${range#*-} - first + 1))
    # The middle of each part, counted from the first page of all.
    while [ "$taken" -lt "$sample" ] && at=$(((2 * taken + 1) * all / (2 * sample))) && [ "$at" -lt $((before + here)) ]; do
      printf '0x%x\n' $((first + at - before))
      taken=$((taken + 1))
    done
    before=$((before + here))
  done
}

# Prints the innermost range of /proc/iomem that has the address of a page, or all that have a name, as pfns.
iomem_ranges() {
  sed -n 's/^ *\([0-9a-f]*\)-\([0-9a-f]*\) : \(.*\)$/\1 \2 \3/p' "$proc/iomem" | while read -r first last name; do
    first=$((0x$first / page_size))
    last=$((0x$last / page_size))
    if [ -n "$pagemap" ]; then
      if [ "$first" -le $((pagemap)) ] && [ "$last" -ge $((pagemap)) ]; then printf '0x%x-0x%x\n' "$first" "$last"; fi
    else
      case $name in *"$resource"*) printf '0x%x-0x%x\n' "$first" "$last" ;; esac
    fi
  done
}

find_pages() {
  page_size=$(getconf PAGESIZE 2> /dev/null || echo 4096)
  if [ -n "$pagemap" ]; then
    pages=$(iomem_ranges | tail -n 1)
    [ -n "$pages" ] || die "no range of /proc/iomem has page $pagemap"
  elif [ -n "$resource" ]; then
    pages=$(iomem_ranges)
    [ -n "$pages" ] || ! has_counts ||
      die "/proc/iomem has nothing named '$resource': load the driver first, or name the pages by --pfn"
  fi
  pages=$(echo "$pages" | tr '\n' ' ')
  pages=${pages% }
  # The recording may not show that pages are device memory; a driver's are.
  device=
  [ -z "$resource" ] || for range in $pages; do device="$device --device $range"; done
  [ -z "$sample" ] || [ -z "$pages" ] || choose_sample
}

choose_sample() {
  few_pages || true
  all=$total
  # All of them are no sample.
  [ "$all" -gt "$sample" ] || { sample=; return 0; }
  pages=$(sample_pages | sed 's/.*/&-&/' | tr '\n' ' ')
  pages=${pages% }
}

few_pages() {
  total=0
  for range in $pages; do
    total=$((total + ${range#*-} - ${range%-*} + 1))
  done
  [ "$total" -gt 0 ] && [ "$total" -le 4 ]
}

choose_means() {
  [ "$means" = auto ] || return 0
  if has_counts; then means=counts
  elif few_pages && has_program perf; then means=watch
  elif can_probe; then means=probes
  elif [ -n "$pages" ] && has_program perf; then means=watch
  else die 'this kernel offers nothing that can be recorded: see --check'; fi
}

# The pages of $pages, one a line.
each_page() {
  for range in $pages; do
    pfn=$((${range%-*}))
    while [ "$pfn" -le $((${range#*-})) ]; do
      printf '0x%x\n' "$pfn"
      pfn=$((pfn + 1))
    done
  done
}

describe() {
  where=${pages:+pages $pages}
  case $means in
    counts) say "recording every change of the counts of ${where:-all pages}, with stacks, into $out" ;;
    probes)
      say "recording hand-outs and returns of ${where:-all device pages}, with stacks, into $out:"
      say 'that tells which page was handed out by whom and never came back, not who holds it'
      ;;
    watch)
      say "watching the counts of $where by debug registers, with stacks, into $out"
      [ -z "$sample" ] ||
        say "these are $sample of $all pages: who takes and gives back there is shown, what goes wrong on another page is not"
      few_pages ||
        say "these are $total pages: four at a time, $turn s each. A turn shows who takes and gives back meanwhile; what is taken in one turn and given back in another it cannot show"
      ;;
  esac
}

# --- making and removing ------------------------------------------------------------------------------------------------------

# probe NAME DEFINITION...: the first definition that the kernel takes
probe() {
  name=$1
  shift
  for definition in "$@"; do
    case $definition in
      r:*) line="r:lastput/$name ${definition#r:}" ;;
      *) line="p:lastput/$name $definition" ;;
    esac
    if printf '%s\n' "$line" >> "$tracing/kprobe_events"; then return 0; fi
  done 2> /dev/null
  say "the kernel refused $name"
  return 1
}

# Where the array of all struct pages begins, as a probe is to fetch it.
vmemmap_field() {
  if [ -n "$vmemmap" ]; then printf 'vmemmap=\\%s' "$vmemmap"
  elif has_function vmemmap_base; then printf 'vmemmap=@vmemmap_base'
  elif [ "$machine" != x86_64 ]; then return 1
  elif grep -q ' la57 ' "$proc/cpuinfo" 2> /dev/null; then printf 'vmemmap=\\0xffd4000000000000'
  else printf 'vmemmap=\\0xffffea0000000000'; fi
}

make_probes() {
  has_kprobes || return 0
  if can_tell_pages; then
    field=$(vmemmap_field)
    function=$(alloc_function)
    if [ -n "$function" ]; then probe lastput_alloc "$function page=$argument $field"; fi
    function=$(free_function)
    if [ -n "$function" ]; then probe lastput_free "$function page=$argument $field"; fi
  fi
  if has_function memunmap_pages; then
    probe lastput_memunmap 'memunmap_pages start=pgmap->range.start end=pgmap->range.end' memunmap_pages
    probe lastput_memunmap_end r:memunmap_pages
  fi
  return 0
}

make_instance() {
  instance=$tracing/instances/lastput
  mkdir "$instance" || die "cannot make $instance: is there another recording? --clean removes what was left"
  echo 0 > "$instance/tracing_on"
}

need_instance() { [ -d "$tracing/instances/lastput" ] || make_instance; }

# A probe that this script sets off itself tells what stands at an address: fetch NAME=@ADDRESS... prints NAME=VALUE...
fetch() {
  where=ksys_write
  has_function ksys_write || where=vfs_write
  probe lastput_where "$where $*" || return 1
  echo 1 > "$instance/events/lastput/lastput_where/enable"
  echo 1 > "$instance/tracing_on"
  echo lastput > /dev/null
  echo 0 > "$instance/tracing_on"
  echo 0 > "$instance/events/lastput/lastput_where/enable"
  sed -n 's/.* lastput_where: ([^)]*) //p' "$instance/trace" | head -n 1
  echo > "$instance/trace"
  echo '-:lastput/lastput_where' >> "$tracing/kprobe_events"
}

# struct_address PFN OFFSET: in a struct page of 64 bytes. Shells count with a sign, so in two halves.
struct_address() {
  high=${vmemmap#0x}
  low=${high#????????}
  high=${high%????????}
  sum=$((0x$low + $1 * 64 + $2))
  printf '0x%x%08x' $((0x$high + (sum >> 32))) $((sum & 0xffffffff))
}

# The address of the count of a page.
count_address() { struct_address "$1" 0x34; }

find_vmemmap() {
  if [ -z "$vmemmap" ]; then
    if has_kprobes && has_function vmemmap_base; then
      need_instance
      vmemmap=$(fetch 'base=@vmemmap_base' | sed -n 's/.*base=\(0x[0-9a-f]*\).*/\1/p')
    elif ! has_function vmemmap_base; then
      vmemmap=$(vmemmap_field | sed 's/.*\\//')
    fi
  fi
  case $vmemmap in
    0x????????????????) ;;
    *) return 1 ;;
  esac
}

# Removes all that a recording makes. What is not there is no fault.
remove_all() {
  instance=$tracing/instances/lastput
  if [ -d "$instance" ]; then
    { echo 0 > "$instance/tracing_on"; echo 0 > "$instance/events/enable"; } 2> /dev/null
    tries=0
    # Whoever reads it keeps it for a moment.
    until rmdir "$instance" 2> /dev/null || [ $tries -ge 10 ]; do
      tries=$((tries + 1))
      sleep 1
    done
  fi
  for name in $probes; do
    {
      [ ! -d "$tracing/events/lastput/$name" ] || echo 0 > "$tracing/events/lastput/$name/enable"
      ! has_kprobes || echo "-:lastput/$name" >> "$tracing/kprobe_events"
    } 2> /dev/null
  done
  for name in $probes; do
    [ ! -d "$tracing/events/lastput/$name" ] || { say "the probe $name could not be removed"; status=1; }
  done
  [ ! -d "$instance" ] || { say "$instance could not be removed"; status=1; }
}

# A SIGKILL leaves no time to remove anything: then this does, which waits for the end of the script.
guard() {
  trap '' HUP INT
  while is_running $$; do sleep 1; done
  say 'it was killed: removing what it made'
  kill -s TERM "$(cat "$out/recorder.pid")" 2> /dev/null
  remove_all
}

# Called by the trap, whatever happens.
# shellcheck disable=SC2317
clean_up() {
  trap '' HUP INT TERM
  [ -z "$guard" ] || kill -s TERM "$guard" 2> /dev/null
  stop_recorder
  # What another recording made is not ours.
  if [ -n "$owned" ]; then remove_all; fi
  if [ -n "$mounted" ]; then umount "$mounted"; fi
}

# --- recording ----------------------------------------------------------------------------------------------------------------

is_running() { kill -0 "$1" 2> /dev/null; }

# Signals end this at once.
pause() {
  sleep 1 &
  wait $!
}

# Lets the recorder write what it has: with trace-cmd that may take minutes.
stop_recorder() {
  [ -n "$recorder" ] || return 0
  if [ "$with" = tracefs ]; then { echo 0 > "$instance/tracing_on"; } 2> /dev/null; fi
  [ "$with" = tracefs ] || kill -s "$ender" "$recorder" 2> /dev/null
  tries=0
  while is_running "$recorder" && [ $tries -lt "$patience" ]; do
    tries=$((tries + 1))
    pause
  done
  kill -s TERM "$recorder" 2> /dev/null
  wait "$recorder"
  recorder=
  [ -z "$pinger" ] || kill -s TERM "$pinger" 2> /dev/null
  pinger=
  rm -f "$out/recorder.pid" "$out/control" "$out/control.ack" "$out/control.answer"
}

# filter FIELD: that it is of the pages, by their pfns or by the addresses of their struct pages.
filter() {
  or=
  for range in $pages; do
    if [ "$1" = page ]; then
      printf '%s(page >= %s && page <= %s)' "$or" "$(struct_address "${range%-*}" 0)" "$(struct_address "${range#*-}" 0)"
    else
      printf '%s(pfn >= %s && pfn <= %s)' "$or" "${range%-*}" "${range#*-}"
    fi
    or=' || '
  done
}

start_tracefs() {
  need_instance
  until echo "$buffer" > "$instance/buffer_size_kb" 2> /dev/null || [ "$buffer" -le 64 ]; do
    buffer=$((buffer / 2))
    say "no memory for so large a buffer: $buffer KiB for each CPU"
  done
  echo 1 > "$instance/options/stacktrace"
  if [ "$means" = counts ]; then
    if [ -n "$pages" ]; then
      filter pfn > "$instance/events/page_ref/filter" || die 'the kernel refused the filter'
    fi
    echo 1 > "$instance/events/page_ref/enable"
  fi
  if [ -n "$pages" ] && [ -n "$vmemmap" ]; then
    for name in lastput_alloc lastput_free; do
      [ ! -d "$instance/events/lastput/$name" ] || filter page > "$instance/events/lastput/$name/filter" ||
        die 'the kernel refused the filter'
    done
  fi
  [ ! -d "$instance/events/lastput" ] || echo 1 > "$instance/events/lastput/enable"
  [ ! -d "$instance/events/error_report" ] || echo 1 > "$instance/events/error_report/enable"
  cat "$instance/trace" > "$out/trace.txt"
  cat "$instance/trace_pipe" >> "$out/trace.txt" &
  recorder=$!
  patience=5
  echo "$recorder" > "$out/recorder.pid"
  echo 1 > "$instance/tracing_on"
}

start_trace_cmd() {
  # The instance is trace-cmd's own.
  [ ! -d "$tracing/instances/lastput" ] || rmdir "$tracing/instances/lastput"
  set -- -B lastput -T -b "$buffer" -o "$out/trace.dat"
  if [ "$means" = counts ]; then
    for event in $count_events; do
      set -- "$@" -e "page_ref:page_ref_$event"
      [ -z "$pages" ] || set -- "$@" -f "$(filter pfn)"
    done
  fi
  for name in $probes; do
    [ -d "$tracing/events/lastput/$name" ] || continue
    set -- "$@" -e "lastput:$name"
    case $name in
      lastput_alloc | lastput_free) [ -z "$pages" ] || [ -z "$vmemmap" ] || set -- "$@" -f "$(filter page)" ;;
    esac
  done
  [ ! -d "$tracing/events/error_report" ] || set -- "$@" -e error_report:error_report_end
  trace-cmd record "$@" > "$out/recorder.log" 2>&1 &
  recorder=$!
  ender=INT
  echo "$recorder" > "$out/recorder.pid"
  patience=600
}

# start_perf FILE PAGE...: the counts of these pages, four at most
start_perf() {
  file=$1
  shift
  for pfn in "$@"; do
    set -- "$@" -e "mem:$(count_address "$pfn")/4:w"
    shift
  done
  control=
  if perf record -h 2>&1 | grep -q 'fifo:' && mkfifo "$out/control" "$out/control.ack"; then
    control=$out/control
    set -- "$@" "--control=fifo:$control,$control.ack"
  fi
  perf record --kcore -a -g "--intr-regs=$registers" "$@" -o "$file" > "$out/recorder.log" 2>&1 &
  recorder=$!
  # perf answers once it has enabled its events.
  [ -z "$control" ] || { (echo ping > "$control" && read -r answer < "$control.ack" && echo "$answer" > "$control.answer") & pinger=$!; }
  ender=TERM
  echo "$recorder" > "$out/recorder.pid"
  patience=60
}

# Waits until the recorder records, which takes it seconds where the machine is slow.
await_recorder() {
  tries=0
  size=
  until is_recording || ! is_running "$recorder" || [ -n "$stop" ] || [ $tries -ge 120 ]; do
    tries=$((tries + 1))
    pause
  done
}

is_recording() {
  case $with in
    perf)
      [ ! -s "$out/control.answer" ] || return 0
      # One that does not answer for long does not know the question.
      [ -z "$control" ] || [ $tries -ge 60 ] || return 1
      # Before it records, perf writes what it finds on the machine.
      before=$size
      size=$(wc -c 2> /dev/null < "$file/data")
      [ "${size:-0}" -gt 0 ] && [ "$size" = "$before" ]
      ;;
    trace-cmd)
      dir=$tracing/instances/lastput
      [ "$(cat "$dir/tracing_on" 2> /dev/null)" = 1 ] && [ -n "$(cat "$dir/set_event" 2> /dev/null)" ]
      ;;
  esac
}

# start_command COMMAND...: once, when everything that it does is recorded
start_command() {
  if [ $# -eq 0 ] || [ -n "$command" ]; then return 0; fi
  "$@" &
  command=$!
}

# What the counts are now, as far as a probe can read them.
tell_counts() {
  has_kprobes || return 0
  need_instance
  fields=
  for pfn in $turn_pages; do
    fields="$fields c$pfn=@$(count_address "$pfn"):s32"
  done
  # shellcheck disable=SC2086
  counts=$(fetch $fields) || return 0
  for field in $counts; do
    echo "${field%%=*} ${field#*=} $1" | sed 's/^c//' >> "$out/counts.txt"
  done
  say "counts $1: $(echo "$counts" | sed 's/c0x/0x/g')"
}

# Symbols of modules are known only while they are loaded.
save_symbols() {
  names=$(cut -d ' ' -f 1 "$proc/modules" 2> /dev/null | sort)
  [ "$names" != "$known_modules" ] || return 0
  known_modules=$names
  grep '\[' "$proc/kallsyms" 2> /dev/null | sort -u - "$out/kallsyms.txt" > "$out/kallsyms.new" &&
    mv "$out/kallsyms.new" "$out/kallsyms.txt"
}

# Whether it is time to stop, and why.
is_over() {
  if [ -n "$stop" ]; then why="$stop"
  elif ! is_running "$recorder"; then
    why='the recorder ended by itself'
    status=1
  elif [ -n "$command" ] && ! is_running "$command"; then why='the command has ended'
  elif [ -n "$seconds" ] && [ $(($(date +%s) - began)) -ge "$seconds" ]; then why="$seconds s are over"
  elif [ -n "$kib" ] && [ "$(du -sk "$out" | cut -f 1)" -ge "$kib" ]; then why="the recording has $kib KiB"
  elif [ -n "${LASTPUT_PARENT:-}" ] && ! is_running "$LASTPUT_PARENT"; then why='whoever started it is gone'
  else return 1; fi
}

# Watches pages by turns; the first four for good where there are no more.
watch_turns() {
  number=0
  until is_over_for_turns; do
    turn_pages=
    here=0
    for pfn in $(each_page); do
      turn_pages="$turn_pages $pfn"
      here=$((here + 1))
      [ $here -lt 4 ] || { watch_turn "$@"; turn_pages=; here=0; }
      [ -z "$why" ] || return 0
    done
    [ -z "$turn_pages" ] || watch_turn "$@"
  done
}

is_over_for_turns() { [ -n "$why" ]; }

watch_turn() {
  number=$((number + 1))
  file=$out/perf.data
  few_pages || file=$out/perf-$number.data
  tell_counts "before turn $number"
  # shellcheck disable=SC2086
  start_perf "$file" $turn_pages
  await_recorder
  start_command "$@"
  turn_began=$(date +%s)
  until is_over; do
    pause
    few_pages || [ $(($(date +%s) - turn_began)) -lt "$turn" ] || break
  done
  stop_recorder
  tell_counts "after turn $number"
}

run() {
  began=$(date +%s)
  if [ "$means" = watch ]; then
    say 'watching; Ctrl-C stops it'
    watch_turns "$@"
  else
    if [ "$with" = trace-cmd ]; then
      start_trace_cmd
      await_recorder
    else
      start_tracefs
    fi
    say 'recording; Ctrl-C stops it'
    start_command "$@"
    until is_over; do
      save_symbols
      pause
    done
    save_symbols
  fi
  say "$why"
  if [ -n "$command" ] && [ -n "$stop" ]; then kill -s TERM "$command" 2> /dev/null; fi
}

# --- from here on it runs ---------------------------------------------------------------------------------------------------

trap clean_up EXIT
trap 'stop="stopped by a signal"' HUP INT TERM
command=
instance=
known_modules=
why=
with=
control=
pinger=
ender=TERM
patience=5

if [ "$(id -u)" != 0 ] && [ -z "${LASTPUT_TRACEFS:-}" ]; then die 'needs root'; fi
find_tracefs
[ -n "$tracing" ] || die 'no tracefs: expected it at /sys/kernel/tracing (mount -t tracefs nodev /sys/kernel/tracing)'
if [ "${1:-}" = --clean ]; then
  remove_all
  exit $status
fi
find_pages
if [ "${1:-}" = --check ]; then
  offers
  choose_means
  describe
  exit 0
fi
for name in $probes; do
  [ ! -d "$tracing/events/lastput/$name" ] ||
    die "the probe $name is there: is there another recording? --clean removes what was left"
done
if [ -d "$tracing/instances/lastput" ]; then
  die 'the trace instance lastput is there: is there another recording? --clean removes what was left'
fi
choose_means
[ "$means" != counts ] || has_counts || die 'this kernel has no page_ref events'
[ "$means" != probes ] || can_tell_pages ||
  die "which page a function is called with cannot be told on $machine without where struct pages begin: --vmemmap (x86-64, arm64)"
[ "$means" != probes ] || can_probe || die 'this kernel does not let both ends of a page be probed: see --check, or name functions by --alloc and --free'
[ "$means" != watch ] || has_program perf || die 'watching needs perf, which is not installed'
[ "$means" != watch ] || [ -n "$pages" ] || die 'watching needs pages: name them by --watch'
mkdir "$out" || die "$out must not be there"
owned=1
guard &
guard=$!
# What perf records has the symbols with it.
[ "$means" = watch ] || : > "$out/kallsyms.txt"
describe
if [ "$means" = watch ]; then
  with=perf
  [ -n "$registers" ] || die 'the count of a page can be watched on x86-64 and arm64 only'
  find_vmemmap || die 'where the array of all struct pages begins cannot be read: name it by --vmemmap, or record elsewhere'
else
  with=$by
  if [ "$with" = auto ]; then
    with=tracefs
    if has_program trace-cmd; then with=trace-cmd; fi
  fi
  if ! can_tell_pages; then
    say "hand-outs and returns are not recorded: on $machine, --vmemmap must name where struct pages begin (x86-64, arm64)"
  elif [ -n "$pages" ] && ! find_vmemmap; then
    say 'where the array of all struct pages begins cannot be read: hand-outs and returns of other pages are recorded, too'
  fi
  make_probes
fi
run "$@"
stop_recorder
[ ! -s "$out/recorder.log" ] || [ $status -eq 0 ] || tail -n 3 "$out/recorder.log" >&2
for file in "$out"/trace.dat "$out"/trace.txt "$out"/perf*.data; do
  if [ -e "$file" ]; then
    say "now: lastput trace $file$([ "$means" = watch ] || echo " --kallsyms $out/kallsyms.txt$device")"
  fi
done
exit $status
