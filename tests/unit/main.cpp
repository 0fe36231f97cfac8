#define BOOST_TEST_MODULE luot
#include <boost/test/unit_test.hpp>
