//! Memory of a block that is over, for the next one.

use std::any::Any;

use parking_lot::Mutex;

use super::{board::Board, cells::Cells, tickets::Tables};

/// What the engine makes anew for each block or batch, and what costs more to make than to clean.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    cells: Mutex<Option<Cells>>,
    tables: Mutex<Option<Tables>>,
    /// A [`Board`], of whatever chain.
    board: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Spare {
    pub(super) fn cells(&self) -> Cells {
        self.cells.lock().take().unwrap_or_default()
    }

    pub(super) fn keep_cells(&self, mut cells: Cells) {
        if cells.is_worth_keeping() {
            cells.clear();
            *self.cells.lock() = Some(cells);
        }
    }

    pub(super) fn tables(&self) -> Tables {
        self.tables.lock().take().unwrap_or_default()
    }

    pub(super) fn keep_tables(&self, mut tables: Tables) {
        tables.clear();
        *self.tables.lock() = Some(tables);
    }

    /// A board for `window` transactions at a time.
    pub(super) fn board<H: Send + 'static, I: Send + 'static>(&self, window: usize) -> Board<H, I> {
        let kept = self.board.lock().take().and_then(|board| board.downcast::<Board<H, I>>().ok());
        match kept {
            Some(mut board) if board.window() == window => {
                board.clear();
                *board
            }
            _ => Board::new(window),
        }
    }

    pub(super) fn keep_board<H: Send + 'static, I: Send + 'static>(&self, board: Board<H, I>) {
        *self.board.lock() = Some(Box::new(board));
    }
}
