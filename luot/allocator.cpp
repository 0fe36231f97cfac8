// How jemalloc keeps memory, which it reads before main(): few arenas, for few threads, and what
// was freed goes back to the system within a second. A small server has other uses for it.

extern "C" {
extern const char* malloc_conf;  // jemalloc's name (TUNING in its manual page)
const char* malloc_conf = "narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0";
}
