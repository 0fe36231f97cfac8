#include "core/error.hpp"

#include <string>

namespace luot {
namespace {

class category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "luot"; }

    std::string message(int code) const override
    {
        switch (static_cast<errc>(code)) {
            case errc::bad_request:
                return "malformed request";
            case errc::bad_path:
                return "malformed page address";
            case errc::foreign_host:
                return "the address is on a host that is none of the site's";
            case errc::bad_record:
                return "damaged record";
            case errc::newer_format:
                return "written by a newer luot";
            case errc::spool_full:
                return "the spool is full";
            case errc::short_write:
                return "a write fell short";
            case errc::redis_away:
                return "Redis is away";
            case errc::redis_evicts:
                return "Redis evicts keys";
            case errc::redis_error:
                return "Redis answered with an error";
            case errc::redis_protocol:
                return "not the Redis protocol";
            case errc::stopping:
                return "shutting down";
            case errc::damaged_gzip:
                return "damaged gzip data";
            case errc::cut_gzip:
                return "gzip data ends too early";
        }
        return "unknown error";
    }
};

}  // namespace

const boost::system::error_category& error_category() noexcept
{
    static const category instance;
    return instance;
}

}  // namespace luot
