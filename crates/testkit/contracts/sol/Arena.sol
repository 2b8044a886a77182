// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A game on a square map: players walk, harvest the tiles around them, craft and fight.
contract Arena {
    uint16 public constant SIDE = 256;
    uint256 public constant ORE = 1;
    uint256 public constant WOOD = 2;
    uint256 public constant SWORD = 3;

    struct Player {
        uint16 x;
        uint16 y;
        uint32 level;
        uint64 health;
        uint64 moves;
        uint256 experience;
    }

    struct Tile {
        address visitor;
        uint64 visits;
        uint256 taken;
    }

    mapping(address player => Player) public players;
    mapping(uint16 x => mapping(uint16 y => Tile)) public tiles;
    mapping(address player => mapping(uint256 item => uint256)) public items;

    event Moved(address indexed player, uint16 x, uint16 y);
    event Harvested(address indexed player, uint256 ore, uint256 wood);
    event Crafted(address indexed player, uint256 item, uint256 count);
    event Fought(address indexed attacker, address indexed defender, uint256 damage);

    error Arena_NotJoined();
    error Arena_OutOfMap();
    error Arena_TooPoor(uint256 item);

    modifier joined() {
        if (players[msg.sender].health == 0) revert Arena_NotJoined();
        _;
    }

    function join(uint16 x, uint16 y) external {
        if (x == 0 || y == 0 || x >= SIDE - 1 || y >= SIDE - 1) revert Arena_OutOfMap();
        players[msg.sender] = Player(x, y, 1, 1_000, 0, 0);
    }

    /// @notice Walks up to one step in each direction; marks the tile that is left and the one that is entered.
    function move(int8 dx, int8 dy) external joined {
        Player storage player = players[msg.sender];
        (uint16 x, uint16 y) = (_step(player.x, dx), _step(player.y, dy));
        tiles[player.x][player.y].visitor = address(0);
        Tile storage tile = tiles[x][y];
        tile.visitor = msg.sender;
        tile.visits += 1;
        (player.x, player.y) = (x, y);
        player.moves += 1;
        player.experience += 1;
        emit Moved(msg.sender, x, y);
    }

    /// @notice Takes from the nine tiles around the player; each yields less the more was taken from it.
    function harvest() external joined {
        Player storage player = players[msg.sender];
        uint256 ore;
        uint256 wood;
        for (uint16 x = player.x - 1; x <= player.x + 1; ++x) {
            for (uint16 y = player.y - 1; y <= player.y + 1; ++y) {
                Tile storage tile = tiles[x][y];
                uint256 rich = uint256(keccak256(abi.encode(x, y))) % 100;
                uint256 yield = rich / (1 + tile.taken);
                tile.taken += 1;
                if (rich % 2 == 0) ore += yield;
                else wood += yield;
            }
        }
        items[msg.sender][ORE] += ore;
        items[msg.sender][WOOD] += wood;
        player.experience += ore + wood;
        emit Harvested(msg.sender, ore, wood);
    }

    /// @notice Turns ore and wood into swords and experience into levels.
    function craft(uint256 count) external joined {
        _spend(ORE, 3 * count);
        _spend(WOOD, count);
        items[msg.sender][SWORD] += count;
        Player storage player = players[msg.sender];
        while (player.experience >= uint256(player.level) * 100) {
            player.experience -= uint256(player.level) * 100;
            player.level += 1;
        }
        emit Crafted(msg.sender, SWORD, count);
    }

    /// @notice Strikes `defender`, who loses health but never the last of it.
    function attack(address defender) external joined {
        Player storage victim = players[defender];
        if (victim.health == 0) revert Arena_NotJoined();
        uint64 damage = uint64(uint256(players[msg.sender].level) + 5 * items[msg.sender][SWORD]) % 50;
        victim.health = victim.health > damage ? victim.health - damage : 1;
        players[msg.sender].experience += damage;
        emit Fought(msg.sender, defender, damage);
    }

    function _step(uint16 from, int8 by) private pure returns (uint16) {
        int256 to = int256(uint256(from)) + (by > 0 ? int256(1) : by < 0 ? int256(-1) : int256(0));
        return to < 1 || to > int256(uint256(SIDE) - 2) ? from : uint16(uint256(to));
    }

    function _spend(uint256 item, uint256 count) private {
        uint256 has = items[msg.sender][item];
        if (has < count) revert Arena_TooPoor(item);
        items[msg.sender][item] = has - count;
    }
}
