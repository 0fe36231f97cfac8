// The errors that luot's own code answers with. Expected failures are values
// (boost::system::result); exceptions are thrown only while the program starts.

#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <type_traits>

namespace luot {

enum class errc {
    bad_request = 1,  ///< a hit or a read is malformed, or a field is over its limit
    bad_path,         ///< a page address is empty, not UTF-8 or has no path
    foreign_host,     ///< a page address names a host that is none of the site's
    bad_record,       ///< a stored hit cannot be decoded
    newer_format,     ///< stored data was written by a newer luot
    spool_full,       ///< no room left for unconfirmed hits
    short_write,      ///< a write to the spool fell short and was cut back
    redis_away,       ///< no connection to Redis, or it did not answer in time
    redis_evicts,     ///< this Redis drops keys when its memory is full
    redis_error,      ///< Redis answered with an error
    redis_protocol,   ///< Redis sent something that is not the Redis protocol
    stopping,         ///< the program is shutting down
    damaged_gzip,     ///< a compressed file does not decompress
    cut_gzip,         ///< a compressed file ends too early
};

const boost::system::error_category& error_category() noexcept;

inline boost::system::error_code make_error_code(errc e) noexcept
{
    return {static_cast<int>(e), error_category()};
}

template <class T>
using result = boost::system::result<T>;
using error_code = boost::system::error_code;

}  // namespace luot

template <>
struct boost::system::is_error_code_enum<luot::errc> : std::true_type {
};
