// Boost.JSON, compiled in: Debian's library is not instrumented.

#include <boost/json/src.hpp>
