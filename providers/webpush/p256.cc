#include "providers/webpush/p256.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <memory>
#include <new>

namespace carillon::push {

const EC_GROUP* p256_group() {
  static const std::unique_ptr<EC_GROUP, void (*)(EC_GROUP*)> group(
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), &EC_GROUP_free);
  if (group == nullptr) throw std::bad_alloc();
  return group.get();
}

bool is_p256_point(std::span<const std::uint8_t, 65> point) {
  if (point[0] != POINT_CONVERSION_UNCOMPRESSED) return false;
  const std::unique_ptr<EC_POINT, void (*)(EC_POINT*)> parsed(EC_POINT_new(p256_group()),
                                                              &EC_POINT_free);
  if (parsed == nullptr) throw std::bad_alloc();
  const bool lies_on_it =
      EC_POINT_oct2point(p256_group(), parsed.get(), point.data(), point.size(), nullptr) == 1;
  ERR_clear_error();
  return lies_on_it;
}

}  // namespace carillon::push
