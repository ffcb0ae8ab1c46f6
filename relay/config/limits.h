// What each number of the config may be. The lower end is what works at all, the upper end what is
// certainly a slip of the hand.
#pragma once

#include <cstddef>

#include "relay/config/section.h"

namespace carillon::config {

inline constexpr std::size_t kFileBytesMax = 1024 * 1024;

inline constexpr Range kHttpThreads{1, 1'024};
inline constexpr Range kHttpConnections{1, 65'536};
inline constexpr Range kHttpBodyBytes{1'024, 64 * 1024 * 1024};
inline constexpr Range kHttpHeadBytes{1'024, 1024 * 1024};
inline constexpr Range kHttpTimeoutMs{100, 600'000};

inline constexpr Range kStoreGroupCommit{1, 4'096};
inline constexpr Range kStoreGroupCommitWaitMs{0, 1'000};
inline constexpr Range kStoreIdempotencyHours{1, 24 * 366};

inline constexpr Range kFanoutRepeatBound{1, 1'048'576};
inline constexpr Range kFanoutBatchDevices{1, 16'384};
inline constexpr Range kFanoutCheckpointIntervalMs{1, 10'000};
inline constexpr Range kFanoutAttempts{1, 100};
inline constexpr Range kFanoutRetryMs{1, 24 * 3'600 * 1'000};
inline constexpr Range kFanoutRetriesPerJob{1, 16'777'216};
inline constexpr Range kFanoutDeadPercent{0, 100};
inline constexpr Range kFanoutDeadAnswers{1, 1'000'000};
inline constexpr Range kFanoutDrainMs{0, 600'000};

inline constexpr Range kProviderPerMinute{0, 1'000'000'000};
inline constexpr Range kProviderRampUpMs{1'000, 3'600'000};

inline constexpr Range kOutcomesRows{0, 1'000'000'000};
inline constexpr Range kOutcomesDays{1, 3'660};

inline constexpr Range kStaleDays{0, 3'660};

inline constexpr Range kProviderConnections{1, 1'024};
inline constexpr Range kProviderStreams{1, 65'536};
inline constexpr Range kProviderTimeoutMs{100, 600'000};
inline constexpr Range kProviderIdleMs{1'000, 24 * 3'600 * 1'000};
inline constexpr Range kWebPushOrigins{1, 4'096};
inline constexpr Range kWebPushEncryptionThreads{0, 64};

}  // namespace carillon::config
