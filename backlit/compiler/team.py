"""How threads share the chunks of a unit: the protocol, as native code.

One block of memory, the team's, is all that threads have in common. The thread that runs a program
publishes a job in it: a task, its arguments and a number of chunks. Then it claims chunks until
none is left, like everybody else, and waits for those that others have claimed.

One word holds the number of the job and which of its chunks nobody has claimed, from the first to
the last; a chunk is claimed by a compare-and-swap that takes one off at either end. As the numbers
of jobs do not come back, a thread that comes late, or was held up anywhere, cannot claim a chunk of
an earlier job, and as the description of a job is only replaced when all its chunks are done,
whoever has claimed one may read it. So nobody ever waits for a thread that holds no chunk.

The calling thread claims from the front and the first worker from the back, the others from the one
or the other: so with the next job most threads find in their caches what they wrote with this one.

A worker that finds nothing to do spins, then lets other threads run some times, and then sleeps on
a lock until the next job is published. The calling thread spins while others finish their chunks,
then takes short naps, so that a thread that holds a chunk finds a processor. All words that are
written often have cache lines of their own.
"""

from __future__ import annotations

from backlit.compiler.target import Target
from backlit.compiler.text import Module

# Two cache lines, which some processors fetch together.
LINE = 128
# Offsets in the team's block.
WORD, DONE, JOB, SLEEPERS, CALLS, WORKERS = (k * LINE for k in range(6))
# In the line of the job: task and arguments; how many workers may take part.
LIMIT = JOB + 16
# In the line of calls: functions to nap, to take a lock and to release it; how long a nap is.
NAP, DURATION, YIELD, ACQUIRE, RELEASE = (CALLS + 8 * k for k in range(5))
# In the line of each worker: whether it sleeps, its lock, its number, where the team's block is.
ASLEEP, LOCK, NUMBER, TEAM = 0, 8, 16, 24
# So often the calling thread pauses before it naps, and a worker pauses or yields before it sleeps.
# A pause takes from 10 to 50 ns, a yield half a microsecond: workers are still awake when the next
# call comes 50 µs later. Few yields, for a scheduler may let others run for as long as a thread has
# given away; but some, for who has yielded does not push the calling thread aside when it wakes.
_BEFORE_NAP, _BEFORE_YIELD, _BEFORE_SLEEP = 10_000, 1_000, 1_200
# Who wakes others wakes so many, and they wake the next: it takes some microseconds each.
_WAKES = 2
# The word: number of the job, end of what is not claimed, and its beginning, in so many bits each.
_BITS = 14
MOST_CHUNKS = (1 << _BITS) - 1
_CHUNKS = (1 << 2 * _BITS) - 1

_UNCLAIMED = f"""
  %first = and i64 %seen, {MOST_CHUNKS}
  %ends = lshr i64 %seen, {_BITS}
  %stop = and i64 %ends, {MOST_CHUNKS}
  %none = icmp uge i64 %first, %stop
""".strip("\n")

# Functions of every divided program that take one pointer: a worker's whole life.
NAMES = ("work",)

_SHARE = f"""
define internal void @share(ptr %team, ptr %task, ptr %args, i64 %chunks) nounwind noinline {{
entry:
  %alone = icmp eq ptr %team, null
  br i1 %alone, label %single, label %publish
single:
  %k = phi i64 [0, %entry], [%k.next, %single]
  call void %task(ptr %args, i64 %k)
  %k.next = add i64 %k, 1
  %more = icmp ult i64 %k.next, %chunks
  br i1 %more, label %single, label %end
publish:
  %job = getelementptr i8, ptr %team, i64 {JOB}
  %job.args = getelementptr i8, ptr %job, i64 8
  %done.at = getelementptr i8, ptr %team, i64 {DONE}
  %sleepers = getelementptr i8, ptr %team, i64 {SLEEPERS}
  store ptr %task, ptr %job, align 8
  store ptr %args, ptr %job.args, align 8
  store atomic i64 0, ptr %done.at monotonic, align 8
  %old = load atomic i64, ptr %team monotonic, align 8
  %ended = or i64 %old, {_CHUNKS}
  %number = add i64 %ended, 1
  %high = shl i64 %chunks, {_BITS}
  %word = or i64 %number, %high
  store atomic i64 %word, ptr %team seq_cst, align 8
  %asleep = load atomic i64, ptr %sleepers seq_cst, align 8
  %wake = icmp ne i64 %asleep, 0
  br i1 %wake, label %rouse, label %claim
rouse:
  call void @rouse(ptr %team)
  br label %claim
claim:
  %own = phi i64 [0, %publish], [0, %rouse], [%own, %again], [%own.next, %run]
  %seen = load atomic i64, ptr %team monotonic, align 8
{_UNCLAIMED}
  br i1 %none, label %wait, label %try
try:
  %less = add i64 %seen, 1
  %pair = cmpxchg ptr %team, i64 %seen, i64 %less acquire monotonic, align 8
  %got = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %got, label %run, label %again
again:
  br label %claim
run:
  call void %task(ptr %args, i64 %first)
  %own.next = add i64 %own, 1
  br label %claim
wait:
  %turns = phi i64 [0, %claim], [%turns.next, %pause], [%turns.next, %nap]
  %others = load atomic i64, ptr %done.at acquire, align 8
  %sum = add i64 %others, %own
  %all = icmp eq i64 %sum, %chunks
  br i1 %all, label %end, label %relax
relax:
  %turns.next = add i64 %turns, 1
  %patient = icmp ult i64 %turns, {_BEFORE_NAP}
  br i1 %patient, label %pause, label %nap
pause:
  PAUSE
  br label %wait
nap:
  %nap.at = getelementptr i8, ptr %team, i64 {NAP}
  %nap.call = load ptr, ptr %nap.at, align 8
  %duration.at = getelementptr i8, ptr %team, i64 {DURATION}
  %duration = load i32, ptr %duration.at, align 4
  %status = call i32 %nap.call(i32 %duration)
  br label %wait
end:
  ret void
}}
"""

_ROUSE = f"""
define internal void @rouse(ptr %team) nounwind noinline {{
entry:
  %sleepers = getelementptr i8, ptr %team, i64 {SLEEPERS}
  %some = atomicrmw xchg ptr %sleepers, i64 0 seq_cst, align 8
  %limit.at = getelementptr i8, ptr %team, i64 {LIMIT}
  %limit = load atomic i64, ptr %limit.at monotonic, align 8
  %release.at = getelementptr i8, ptr %team, i64 {RELEASE}
  %release = load ptr, ptr %release.at, align 8
  br label %head
head:
  %k = phi i64 [0, %entry], [%k.next, %next]
  %woken = phi i64 [0, %entry], [%woken.next, %next]
  %any = icmp ult i64 %k, %limit
  br i1 %any, label %look, label %end
look:
  %enough = icmp uge i64 %woken, {_WAKES}
  br i1 %enough, label %leave, label %try
leave:
  store atomic i64 1, ptr %sleepers seq_cst, align 8
  ret void
try:
  %place = mul i64 %k, {LINE}
  %offset = add i64 %place, {WORKERS}
  %own = getelementptr i8, ptr %team, i64 %offset
  %was = atomicrmw xchg ptr %own, i64 0 seq_cst, align 8
  %asleep = icmp ne i64 %was, 0
  br i1 %asleep, label %release.it, label %next
release.it:
  %lock.at = getelementptr i8, ptr %own, i64 {LOCK}
  %lock = load ptr, ptr %lock.at, align 8
  call void %release(ptr %lock)
  br label %next
next:
  %one = zext i1 %asleep to i64
  %woken.next = add i64 %woken, %one
  %k.next = add i64 %k, 1
  br label %head
end:
  ret void
}}
"""

_WORK = f"""
define void @work(ptr %own) nounwind {{
entry:
  %number.at = getelementptr i8, ptr %own, i64 {NUMBER}
  %number = load i64, ptr %number.at, align 8
  %team.at = getelementptr i8, ptr %own, i64 {TEAM}
  %team = load ptr, ptr %team.at, align 8
  %lock.at = getelementptr i8, ptr %own, i64 {LOCK}
  %lock = load ptr, ptr %lock.at, align 8
  %acquire.at = getelementptr i8, ptr %team, i64 {ACQUIRE}
  %acquire = load ptr, ptr %acquire.at, align 8
  %limit.at = getelementptr i8, ptr %team, i64 {LIMIT}
  %job = getelementptr i8, ptr %team, i64 {JOB}
  %job.args = getelementptr i8, ptr %job, i64 8
  %done.at = getelementptr i8, ptr %team, i64 {DONE}
  %sleepers = getelementptr i8, ptr %team, i64 {SLEEPERS}
  %odd = and i64 %number, 1
  %front = icmp ne i64 %odd, 0
  %taken = select i1 %front, i64 1, i64 {-(1 << _BITS)}
  br label %look
look:
  %turns = phi i64 [0, %entry], [%turns.next, %pause], [%turns.next, %yield], [0, %run],
    [0, %awake], [0, %rouse], [%turns, %try]
  %seen = load atomic i64, ptr %team monotonic, align 8
{_UNCLAIMED}
  br i1 %none, label %idle, label %allowed
allowed:
  %limit = load atomic i64, ptr %limit.at monotonic, align 8
  %extra = icmp uge i64 %number, %limit
  br i1 %extra, label %idle, label %try
try:
  %less = add i64 %seen, %taken
  %pair = cmpxchg ptr %team, i64 %seen, i64 %less acquire monotonic, align 8
  %got = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %got, label %run, label %look
run:
  %task = load ptr, ptr %job, align 8
  %args = load ptr, ptr %job.args, align 8
  %last = sub i64 %stop, 1
  %chunk = select i1 %front, i64 %first, i64 %last
  call void %task(ptr %args, i64 %chunk)
  %before = atomicrmw add ptr %done.at, i64 1 release, align 8
  br label %look
idle:
  %turns.next = add i64 %turns, 1
  %patient = icmp ult i64 %turns, {_BEFORE_SLEEP}
  br i1 %patient, label %relax, label %sleep
relax:
  %soon = icmp ult i64 %turns, {_BEFORE_YIELD}
  br i1 %soon, label %pause, label %yield
pause:
  PAUSE
  br label %look
yield:
  %yield.at = getelementptr i8, ptr %team, i64 {YIELD}
  %yield.call = load ptr, ptr %yield.at, align 8
  %yielded = call i32 %yield.call()
  br label %look
sleep:
  store atomic i64 1, ptr %own seq_cst, align 8
  store atomic i64 1, ptr %sleepers seq_cst, align 8
  %late = load atomic i64, ptr %team seq_cst, align 8
  %late.some = icmp ne i64 %late, %seen
  %limit.now = load atomic i64, ptr %limit.at monotonic, align 8
  %wanted = icmp ult i64 %number, %limit.now
  %stay = and i1 %late.some, %wanted
  br i1 %stay, label %rise, label %rest
rise:
  %was = atomicrmw xchg ptr %own, i64 0 seq_cst, align 8
  %mine = icmp ne i64 %was, 0
  br i1 %mine, label %awake, label %rest
rest:
  %status = call i32 %acquire(ptr %lock, i32 1)
  br label %awake
awake:
  %more = load atomic i64, ptr %sleepers seq_cst, align 8
  %wake = icmp ne i64 %more, 0
  br i1 %wake, label %rouse, label %look
rouse:
  call void @rouse(ptr %team)
  br label %look
}}
"""


def share(module: Module, target: Target) -> str:
    """Write what a divided program needs beside its tasks, once, and return the function to call.

    Parameters
    ----------
    module : Module
    target : Target

    Returns
    -------
    str
        Name of a function of the team's block (or null: the caller works alone), a task, its
        arguments and the number of chunks. It returns when all chunks are done.
    """
    if "share" not in module.written:
        module.written["share"] = "share"
        for text in (_ROUSE, _SHARE, _WORK):
            module.add(text.replace("PAUSE", _pause(module, target)))
    return "share"


def _pause(module: Module, target: Target) -> str:
    """Return the instruction by which a thread that waits leaves the core to its neighbour."""
    if target.triple.startswith(("x86_64", "i686")):
        return f"call void @{module.declare('llvm.x86.sse2.pause', 'void', [])}()"
    if target.triple.startswith(("aarch64", "arm64")):
        return f"call void @{module.declare('llvm.aarch64.hint', 'void', ['i32'])}(i32 1)"
    return "fence seq_cst"
